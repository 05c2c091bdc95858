//! Valid maps, and the messages for invalid ones.

use super::*;

const HEAD: &str = "domain = \"permits\"\naggregate = \"application\"\naggregate_id = \"case\"\nrow_key = \"key\"\n";

fn error(text: &str) -> String {
    Map::parse(text).unwrap_err().to_string()
}

fn error_after_head(text: &str) -> String {
    error(&format!("{HEAD}{text}"))
}

#[test]
fn every_feature_is_understood() {
    let map = Map::parse(
        r#"
        domain = "permits"
        aggregate = "application"
        aggregate_id = { column = "case", prefix = "c-" }
        row_key = ["case", "step"]
        delimiter = ";"
        zone = "+01:00"
        escape_ids = true
        kind = "csv"
        encoding = "windows-1252"
        skip_lines = 2
        nothing = ["NULL"]
        skip = [{ column = "status", equals = ["void", "test"] }]
        [[command]]
        name = "register-application"
        when = { column = "task", equals = "Receipt" }
        fields = { who = "resource", "case.size" = { column = "size", type = "integer", optional = true }, source = { value = "log" } }
        [[command]]
        name = "record-task"
        [command.fields]
        at = { column = "time", type = "time", format = "%d-%m-%Y" }
        "#,
    )
    .unwrap();
    assert_eq!(
        map.columns().into_iter().collect::<Vec<_>>(),
        ["case", "resource", "size", "status", "step", "task", "time"]
    );
    assert_eq!((map.file.delimiter, map.escape_ids, map.commands.len()), (Some(b';'), true, 2));
    let Node::Object(fields) = &map.commands[0].fields else { panic!("{:?}", map.commands[0].fields) };
    assert!(matches!(&fields["case"], Node::Object(inner) if inner.contains_key("size")), "{fields:?}");
}

#[test]
fn a_wrong_map_is_refused_with_a_remedy() {
    for (text, wanted) in [
        ("", "it has no [[command]]"),
        ("[[command]]\nname = \"Register\"", "a name has 1 to 63 characters"),
        ("[[command]]\nname = \"a\"\n[[command]]\nname = \"b\"", "put it last"),
        ("colour = 1\n[[command]]\nname = \"a\"", "unknown field `colour`"),
        ("delimiter = \";;\"\n[[command]]\nname = \"a\"", "delimiter \";;\" is not one ASCII character"),
        ("zone = \"Mars\"\n[[command]]\nname = \"a\"", "\"Mars\" is no time zone"),
        ("[[command]]\nname = \"a\"\nwhen = { column = \"x\" }", "{ column = \"…\", equals = … }"),
        ("encoding = \"ebcdic\"\n[[command]]\nname = \"a\"", "\"ebcdic\" is no encoding"),
        ("kind = \"json\"\n[[command]]\nname = \"a\"", "expected `csv` or `xes`"),
        ("skip = [[]]\n[[command]]\nname = \"a\"", "would skip every row"),
        ("[[command]]\nname = \"a\"\nwhen = []\n[[command]]\nname = \"b\"", "put it last"),
    ] {
        let error = error_after_head(text);
        assert!(error.contains(wanted), "{text}: {error}");
    }
    assert!(error("domain = \"permits\"").contains("missing field `aggregate`"));
    let no_key = HEAD.replace("\"key\"", "[]") + "[[command]]\nname = \"a\"";
    assert!(error(&no_key).contains("row_key names no column"));
    let only_counted = HEAD.replace("\"key\"", "\"$occurrence\"") + "[[command]]\nname = \"a\"";
    assert!(error(&only_counted).contains("how often the other parts of row_key come"));
    assert!(error(&HEAD.replace("\"case\"", "7")).contains("{ column = \"…\", prefix = \"…\" }"));
}

#[test]
fn a_wrong_field_is_named_with_its_command() {
    for (field, wanted) in [
        ("{ type = \"text\" }", "needs either column"),
        ("{ column = \"x\", value = 1 }", "needs either column"),
        ("{ value = 1, optional = true }", "a constant takes no type"),
        ("{ value = [1] }", "a constant is text, a finite number or a boolean"),
        ("{ value = nan }", "a constant is text, a finite number or a boolean"),
        ("{ column = \"x\", format = \"%Y\" }", "format, zone and twice are for type = \"time\""),
        ("{ column = \"x\", twice = \"later\" }", "format, zone and twice are for type = \"time\""),
        ("{ column = \"x\", type = \"time\", twice = \"second\" }", "expected `earlier` or `later`"),
        ("{ column = \"x\", decimal = \",\" }", "decimal is for type"),
        ("{ column = \"x\", type = \"number\", decimal = \";\" }", "is neither"),
        ("{ column = \"x\", strip = [\"\"] }", "need text to look for"),
        ("{ column = \"x\", type = \"time\", format = \"%!\" }", "is not one of strptime's"),
        ("{ column = \"x\", type = \"time\", zone = \"nowhere\" }", "\"nowhere\" is no time zone"),
        ("{ column = \"x\", type = \"date\" }", "expected one of `text`, `integer`"),
        ("{ column = \"x\", typ = \"text\" }", "unknown field `typ`"),
        ("{ column = \"x\", optional = \"yes\" }", "invalid type"),
        ("{ b = { column = \"x\" } }", "write the name of a nested field in quotes"),
    ] {
        let error = error_after_head(&format!("[[command]]\nname = \"go\"\n[command.fields]\nspeed = {field}"));
        assert!(error.contains("field \"speed\" of command go") && error.contains(wanted), "{field}: {error}");
    }
    assert!(error_after_head("[[command]]\nname = \"go\"\nfields = { a = 1 }").contains("a column's name"));
}

#[test]
fn nested_names_do_not_collide() {
    for names in [["\"a\"", "\"a.b\""], ["\"a.b.c\"", "\"a.b\""], ["\"a..b\"", "\"c\""], ["\".a\"", "\"c\""]] {
        let text = format!("[[command]]\nname = \"go\"\n[command.fields]\n{} = \"x\"\n{} = \"y\"", names[0], names[1]);
        let error = error_after_head(&text);
        assert!(error.contains("another field has this name") || error.contains("not empty"), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    assert!(Map::read(Path::new("no-such-map.toml")).unwrap_err().to_string().contains("no-such-map.toml"));
}
