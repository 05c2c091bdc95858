//! Files as other programs write them: with other encodings, with other words for empty cells, and of any size.

use std::io::Write;
use std::process::{Command, Stdio};

use polder_tests::{Host, polder_file};
use serde_json::{Value, json};
use tempfile::tempdir;

use super::office_log::written;
use super::tally;

const MAP: &str = r#"
domain = "orders"
aggregate = "order"
aggregate_id = "order"
row_key = "order"
[[command]]
name = "cancel-order"
when = { column = "what", equals = "cancel" }
[command.fields]
reason = { column = "why", optional = true }
[[command]]
name = "draft-order"
[command.fields]
customer = { value = "c-1" }
"#;

fn windows_1252(text: &str) -> Vec<u8> {
    text.chars().map(|character| if character == '€' { 0x80 } else { u8::try_from(character).unwrap() }).collect()
}

fn utf_16(text: &str) -> Vec<u8> {
    [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn each_encoding_gives_the_same_text() {
    let folder = tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("orders");
    let rows = |order: &str| format!("sep=;\r\norder;what;why\r\n{order};draft;\r\n{order};cancel;Zu groß für 5 €\r\n");
    let xes = "<?xml version=\"1.0\" encoding=\"windows-1252\"?><log><trace><string key=\"name\" value=\"x\"/>\
        <event><string key=\"order\" value=\"o-3\"/><string key=\"what\" value=\"draft\"/></event>\
        <event><string key=\"order\" value=\"o-3\"/><string key=\"what\" value=\"cancel\"/><string key=\"why\" value=\"Zu groß für 5 €\"/></event></trace></log>";
    for (name, bytes, declared) in [
        ("one.csv", windows_1252(&rows("o-1")), "encoding = \"windows-1252\"\n"),
        ("two.csv", utf_16(&rows("o-2")), ""),
        ("three.xes", windows_1252(xes), ""),
    ] {
        let key = MAP.replace("row_key = \"order\"", "row_key = [\"order\", \"what\"]");
        let map = written(folder.path(), "map.toml", format!("{declared}{key}").as_bytes());
        let file = written(folder.path(), name, &bytes);
        let ran = host.polder(&["import", file.to_str().unwrap(), "--map", map.to_str().unwrap(), "--json"]);
        assert_eq!(tally(&ran.json()), (2, 0, 0), "{name}");
    }
    let events = host.client().get("/v1/main/events?name=order-cancelled").lines();
    let reasons: Vec<&Value> = events.iter().map(|event| &event["payload"]["reason"]).collect();
    assert_eq!(reasons, [&json!("Zu groß für 5 €"); 3]);
}

/// `POLDER_IMPORT_MB` sets the size.
#[test]
fn a_large_file_with_a_quote_that_is_never_closed_takes_little_memory() {
    const RESIDENT_KB_MAX: u64 = 96 * 1024;
    let megabytes: u64 = std::env::var("POLDER_IMPORT_MB").map_or(24, |text| text.parse().expect("a number"));
    let folder = tempdir().unwrap();
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("orders");
    let map = written(folder.path(), "map.toml", MAP.as_bytes());
    let mut child = Command::new(polder_file())
        .args(["import", "-", "--map", map.to_str().unwrap(), "--dry-run", "--json", "--host", host.address()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"order,what,why\no-0,cancel,\"never closed\n").unwrap();
    let (mut written, mut rows) = (0, 0);
    while written < megabytes * 1024 * 1024 {
        let piece: String =
            (rows..rows + 1_000).map(|row| format!("o-{},draft,{:80}\n", row + 1, "of no account")).collect();
        input.write_all(piece.as_bytes()).unwrap();
        (written, rows) = (written + piece.len() as u64, rows + 1_000);
    }
    // Nearly all of it has been read at this point.
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let peak =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak").trim().trim_end_matches(" kB");
    drop(input);
    let ran = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((&report["commands"], &report["refused"]), (&json!({ "draft-order": rows }), &json!(1)), "{report}");
    println!("{megabytes} MB, {rows} rows, {peak} kB at most");
    assert!(peak.parse::<u64>().unwrap() < RESIDENT_KB_MAX, "{peak} kB");
}
