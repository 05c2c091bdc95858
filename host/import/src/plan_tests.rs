//! Rows, and what a map makes of them.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const MAP: &str = r#"
domain = "permits"
aggregate = "application"
aggregate_id = { column = "case", prefix = "c-" }
row_key = "key"
[[command]]
name = "register-application"
when = { column = "task", equals = "Receipt" }
[command.fields]
who = "resource"
"case.size" = { column = "size", type = "integer", optional = true }
"case.deadline" = { column = "deadline", type = "time", optional = true }
source = { value = "log" }
[[command]]
name = "record-task"
when = { column = "task", equals = "Check" }
[command.fields]
at = { column = "time", type = "time" }
"#;

fn row(cells: &[(&str, &str)]) -> Row {
    Row {
        line: 7,
        number: 7,
        cells: cells.iter().map(|(name, value)| (Arc::from(*name), (*value).to_owned())).collect(),
    }
}

fn plan(map: &str, cells: &[(&str, &str)]) -> Result<PlannedCommand, Refusal> {
    Map::parse(map).unwrap().plan(&row(cells), &mut Keys::default()).map(|planned| planned.expect("not skipped"))
}

fn receipt<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    // If a cell is given twice, the first one counts.
    [more, &[("case", "1"), ("key", "k1"), ("task", "Receipt"), ("resource", "R1")]].concat()
}

#[test]
fn the_first_command_that_matches_is_planned() {
    let planned = plan(MAP, &receipt(&[("size", " 3 "), ("deadline", "")])).unwrap();
    assert_eq!((planned.line, planned.aggregate_id.as_str(), planned.id.as_str()), (7, "c-1", "k1"));
    assert_eq!((planned.domain.as_str(), planned.aggregate.as_str()), ("permits", "application"));
    assert_eq!(planned.name.as_str(), "register-application");
    assert_eq!(planned.payload, r#"{"case":{"size":3},"source":"log","who":"R1"}"#);
    let planned = plan(MAP, &receipt(&[("task", "Check"), ("time", "2011-10-11 13:45:40+02:00")])).unwrap();
    assert_eq!(
        (planned.name.as_str(), planned.payload.as_str()),
        ("record-task", r#"{"at":"2011-10-11T13:45:40+02:00"}"#)
    );
}

#[test]
fn an_optional_empty_field_is_left_out() {
    for cells in [&[("size", ""), ("deadline", "")][..], &[]] {
        assert_eq!(plan(MAP, &receipt(cells)).unwrap().payload, r#"{"source":"log","who":"R1"}"#);
    }
}

#[test]
fn a_refusal_groups_by_reason_and_shows_the_value() {
    for (cells, reason, detail) in [
        (&[("task", "Lunch")][..], "no command of the map is for such a row", "task = \"Lunch\""),
        (&[("case", "")], "column \"case\" is empty, which the aggregate id needs", ""),
        (&[("key", "")], "column \"key\" is empty, which the row key needs", ""),
        (&[("resource", "")], "column \"resource\" is empty", ""),
        (&[("task", "Check")], "there is no \"time\"", ""),
        (&[("task", "Check"), ("time", "soon")], "column \"time\" is not a time", "\"soon\": "),
        (&[("size", "many")], "column \"size\" is not a whole number", "\"many\""),
        (&[("case", "a b")], "the aggregate id is not allowed", "an id has 1 to 128 characters A-Z"),
        (&[("case", "a b")], "the aggregate id is not allowed", "escape_ids = true"),
        (&[("key", "k 1")], "the row key is not allowed", "an id has 1 to 128 visible ASCII characters"),
    ] {
        let refusal = plan(MAP, &receipt(cells)).unwrap_err();
        assert!(refusal.reason.starts_with(reason) && refusal.detail.contains(detail), "{cells:?}: {refusal}");
    }
}

#[test]
fn ids_are_escaped_when_the_map_says_so() {
    let map = format!("escape_ids = true{MAP}");
    let planned = plan(&map, &receipt(&[("case", "Müller & Zn"), ("key", "a b/c=")])).unwrap();
    assert_eq!(planned.aggregate_id.as_str(), "c-M=C3=BCller=20=26=20Zn");
    assert_eq!(planned.id.as_str(), "a=20b/c=3D");
    let refusal = plan(&map, &receipt(&[("case", &"ü".repeat(30))])).unwrap_err();
    assert!(refusal.detail.contains("is too long") && !refusal.detail.contains("escape_ids"), "{refusal}");
}

#[test]
fn keys_of_several_columns_do_not_meet() {
    let map = MAP.replace("row_key = \"key\"", "row_key = [\"key\", \"step\"]");
    let key = |key, step| plan(&map, &receipt(&[("key", key), ("step", step)])).unwrap().id;
    assert_eq!(key("k1", "2").as_str(), "k1/2");
    assert_ne!(key("a/b", "c"), key("a", "b/c"));
    assert_ne!(key("a=2Fb", "c"), key("a/b", "c"));
}

#[test]
fn the_row_and_its_occurrence_may_be_parts_of_the_key() {
    let map = |key: &str| Map::parse(&MAP.replace("row_key = \"key\"", &format!("row_key = {key}"))).unwrap();
    let ids = |map: Map, rows: &[&[(&str, &str)]]| {
        let mut keys = Keys::default();
        let id = |cells: &&[(&str, &str)]| match map.plan(&row(&receipt(cells)), &mut keys) {
            Ok(planned) => planned.unwrap().id.to_string(),
            Err(refusal) => refusal.reason,
        };
        rows.iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids(map("\"$row\""), &[&[]]), ["7"]);
    assert_eq!(ids(map("[\"key\", \"$row\"]"), &[&[]]), ["k1/7"]);
    // The first occurrence has the key without a number, so a map can be corrected after a first import.
    let rows: [&[(&str, &str)]; 5] = [&[], &[("key", "k2")], &[], &[("resource", "")], &[]];
    let empty = "column \"resource\" is empty";
    assert_eq!(ids(map("[\"key\", \"$occurrence\"]"), &rows), ["k1", "k2", "k1//2", empty, "k1//4"]);
    let same = "an earlier row of this file has the same key";
    assert_eq!(ids(map("\"key\""), &rows), ["k1", "k2", same, empty, same]);
}

#[test]
fn a_key_that_is_too_long_for_an_id_is_hashed() {
    let map = MAP.replace("row_key = \"key\"", "row_key = [\"key\", \"step\"]");
    let key = |key: &str, step: &str| plan(&map, &receipt(&[("key", key), ("step", step)])).unwrap().id.to_string();
    let long = "k".repeat(120);
    assert_eq!(key(&long, "1234567"), format!("{long}/1234567"));
    let (hashed, other) = (key(&long, "12345678"), key(&long, "12345679"));
    assert!(hashed.starts_with(&format!("{}~", "k".repeat(48))) && hashed.len() == 113, "{hashed}");
    assert_ne!(hashed, other);
    assert_eq!(hashed, key(&long, "12345678"));
    // A key with characters that no id may have is still refused.
    let refusal = plan(MAP, &receipt(&[("key", &"two words ".repeat(20))])).unwrap_err();
    assert!(refusal.detail.contains("escape_ids"), "{refusal}");
}

#[test]
fn rows_are_skipped_by_all_of_several_conditions() {
    let map = Map::parse(&MAP.replace(
        "[[command]]\nname = \"register",
        "skip = [{ column = \"state\", equals = \"void\" },\n[{ column = \"case\", equals = \"1\" }, { column = \"size\", empty = true }]]\n[[command]]\nname = \"register",
    ))
    .unwrap();
    for (cells, is_skipped) in [
        (&[("size", "3")][..], false),
        (&[("size", "3"), ("state", "void")], true),
        (&[("size", "")], true),
        (&[("size", ""), ("case", "2")], false),
    ] {
        let planned = map.plan(&row(&receipt(cells)), &mut Keys::default()).unwrap();
        assert_eq!(planned.is_none(), is_skipped, "{cells:?}");
    }
}

#[test]
fn fields_and_words_for_nothing_are_shared_by_all_commands() {
    let map = r#"
        domain = "d"
        aggregate = "a"
        aggregate_id = "case"
        row_key = "key"
        nothing = ["nan", "NULL"]
        [fields]
        who = "resource"
        size = { column = "size", type = "integer", optional = true }
        [[command]]
        name = "check"
        when = { column = "task", equals = "Check" }
        [[command]]
        name = "receive"
        [command.fields]
        who = { column = "resource", nothing = ["unassigned"], optional = true }
        "#;
    let payload = |cells: &[(&str, &str)]| plan(map, &receipt(cells)).map(|planned| planned.payload);
    assert_eq!(payload(&[("task", "Check"), ("size", "3.0")]).unwrap(), r#"{"size":3,"who":"R1"}"#);
    assert_eq!(payload(&[("task", "Check"), ("size", " nan ")]).unwrap(), r#"{"who":"R1"}"#);
    assert_eq!(payload(&[("resource", "unassigned")]).unwrap(), "{}");
    assert_eq!(payload(&[("resource", "NULL")]).unwrap(), r#"{"who":"NULL"}"#);
    let refusal = payload(&[("task", "Check"), ("resource", "NULL")]).unwrap_err();
    assert_eq!(refusal.to_string(), "column \"resource\" is empty (it holds \"NULL\")");
    assert_eq!(payload(&[("key", "nan")]).unwrap_err().reason, "column \"key\" is empty, which the row key needs");
}

#[test]
fn cells_are_tidied_before_they_are_read() {
    let map = |field: &str| {
        format!(
            "domain = \"d\"\naggregate = \"a\"\naggregate_id = \"case\"\nrow_key = \"key\"\n[[command]]\nname = \"go\"\nfields = {{ it = {field} }}"
        )
    };
    let payload = |field: &str, cell: &str| match plan(&map(field), &receipt(&[("x", cell)])) {
        Ok(planned) => planned.payload,
        Err(refusal) => refusal.to_string(),
    };
    let money = r#"{ column = "x", type = "number", decimal = ",", strip = ["EUR", " "], replace = [[".", ""]] }"#;
    assert_eq!(payload(money, "EUR 1.234.567,50"), r#"{"it":1234567.5}"#);
    assert_eq!(payload(money, "-7 EUR"), r#"{"it":-7}"#);
    assert_eq!(payload(money, " EUR "), "column \"x\" is empty (it holds \" EUR \")");
    assert_eq!(payload(r#"{ column = "x", replace = [["a", "b"], ["bb", "c"]] }"#, "aba"), r#"{"it":"cb"}"#);
    let list = r#"{ column = "x", list = true, type = "integer" }"#;
    let with_two = [("x", "1"), ("x", "2.0"), ("x", "")];
    assert_eq!(plan(&map(list), &receipt(&with_two)).unwrap().payload, r#"{"it":[1,2]}"#);
    assert_eq!(plan(&map(list), &receipt(&[])).unwrap().payload, r#"{"it":[]}"#);
    assert_eq!(plan(&map(&list.replace("}", ", optional = true }")), &receipt(&[])).unwrap().payload, "{}");
}

#[test]
fn a_map_without_conditions_takes_every_row() {
    let map =
        "domain = \"d\"\naggregate = \"a\"\naggregate_id = \"case\"\nrow_key = \"key\"\n[[command]]\nname = \"go\"";
    assert_eq!(plan(map, &receipt(&[])).unwrap().payload, "{}");
}

proptest! {
    #[test]
    fn any_row_is_planned_the_same_twice_or_refused(case in ".{0,12}", key in ".{0,12}", text in ".{0,12}") {
        let cells = receipt(&[("case", case.as_str()), ("key", key.as_str()), ("resource", text.as_str()), ("deadline", text.as_str())]);
        let first = plan(MAP, &cells);
        prop_assert_eq!(&first, &plan(MAP, &cells));
        if let Ok(planned) = first {
            let payload: serde_json::Value = serde_json::from_str(&planned.payload).unwrap();
            prop_assert_eq!(payload["who"].as_str(), Some(text.as_str()));
        }
    }
}
