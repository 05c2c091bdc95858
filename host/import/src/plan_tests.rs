//! Rows and what a map makes of them.

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
    Row { line: 7, cells: cells.iter().map(|(name, value)| (Arc::from(*name), (*value).to_owned())).collect() }
}

fn plan(map: &str, cells: &[(&str, &str)]) -> Result<PlannedCommand, Refusal> {
    Map::parse(map).unwrap().plan(&row(cells))
}

fn receipt<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    // A cell given twice: the first counts.
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
fn what_is_optional_and_empty_is_left_out_whole() {
    for cells in [&[("size", ""), ("deadline", "")][..], &[]] {
        assert_eq!(plan(MAP, &receipt(cells)).unwrap().payload, r#"{"source":"log","who":"R1"}"#);
    }
}

#[test]
fn a_refusal_groups_by_reason_and_shows_the_value() {
    for (cells, reason, detail) in [
        (&[("task", "Lunch")][..], "no command of the map is for such a row", "task = \"Lunch\""),
        (&[("case", "")], "column \"case\" is empty", ""),
        (&[("key", "")], "column \"key\" is empty", ""),
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
