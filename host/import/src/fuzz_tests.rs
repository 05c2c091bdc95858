//! Damaged logs, maps and times. They must be read to their end or refused, give no more rows than they hold, and give
//! the same result each time.

use std::io::Cursor;

use polder_fuzz::{Damage, run};

use crate::csv_rows::CsvRows;
use crate::encoding::{as_utf8, by_name};
use crate::map::Map;
use crate::row_ids::Keys;
use crate::rows::{BadRow, ReadError, Row};
use crate::time::{TimeForm, Twice, zone};
use crate::xes_rows::XesRows;

const CASES_MIN: u64 = 500;

const CSV: &str = "sep=;\r\na;b;c\r\n1;\"two\nlines\";x\r\n2;\"a \"\"quote\"\"\";\r\n\r\n3;nan;1.234,50\r\n";
const XES: &str = r#"<?xml version="1.0" encoding="utf-8"?><log><extension name="x"/><trace><string key="a" value="&lt;1&gt;"/>
<list key="many"><values><int key="b" value="1"/><int key="b" value="2"><date key="c" value="2011-10-11"/></int></values></list>
<event><string key="a" value="x"/></event><event/></trace></log>"#;
const MAP: &str = r#"
domain = "d"
aggregate = "a"
aggregate_id = { column = "a", prefix = "x-" }
row_key = ["a", "$row", "$occurrence"]
escape_ids = true
nothing = ["nan"]
skip = [[{ column = "a", equals = ["2"] }, { column = "b", empty = false }]]
zone = "Europe/Amsterdam"
[fields]
all = { column = "c", type = "number", decimal = ",", replace = [[".", ""]], strip = ["x"], optional = true }
[[command]]
name = "go"
[command.fields]
"b.c" = { column = "b", type = "time", format = "%d-%m-%Y %z", optional = true }
many = { column = "case:many/*", list = true, optional = true }
"#;
/// Pieces that one of the readers treats specially.
const PIECES: [&str; 24] = [
    "\"",
    "\"\"",
    ",",
    ";",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "<",
    ">",
    "/>",
    "</event>",
    "<event>",
    "<trace>",
    "&amp;",
    "&",
    "'",
    "=",
    "[",
    "]",
    "$row",
    "\u{feff}",
    "\u{1f600}",
    "<![CDATA[",
];

fn check_rows(bytes: &[u8], rows: Vec<Result<Result<Row, BadRow>, ReadError>>) -> Vec<Row> {
    // At most one line more than there are line ends.
    let lines_max = 1 + bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
    assert!(rows.len() <= bytes.len() + 1, "more rows than bytes");
    assert!(rows.iter().rev().skip(1).all(Result::is_ok), "something came after the end");
    let mut line_before = 0;
    for row in rows.iter().flatten() {
        let line = row.as_ref().map_or_else(|bad| bad.line, |row| row.line);
        assert!(line >= line_before && line <= lines_max, "line {line} after {line_before}, of {lines_max}");
        line_before = line;
    }
    rows.into_iter().filter_map(|row| row.ok()?.ok()).collect()
}

fn are_good(rows: &[Result<Result<Row, BadRow>, ReadError>]) -> bool {
    rows.iter().all(|row| matches!(row, Ok(Ok(_))))
}

#[test]
fn damaged_csv_is_read_to_its_end() {
    let damage = Damage::new([CSV], &PIECES);
    let counts = run(CASES_MIN, |random| {
        let bytes = damage.bytes(random);
        let declared = (random.u8(..4) == 0).then(|| by_name("utf-16le").unwrap());
        let (utf8, _) = as_utf8(Box::new(Cursor::new(bytes.clone())), declared).unwrap();
        let Ok(rows) = CsvRows::open(utf8, None, random.u64(..2)) else { return false };
        let columns = rows.header().len();
        let rows: Vec<_> = rows.collect();
        let are_good = are_good(&rows);
        if declared.is_none() {
            assert!(check_rows(&bytes, rows).iter().all(|row| row.cells.len() == columns));
        }
        are_good
    });
    counts.assert_both();
}

#[test]
fn damaged_xes_is_read_to_its_end() {
    let damage = Damage::new([XES], &PIECES);
    let counts = run(CASES_MIN, |random| {
        let bytes = damage.bytes(random);
        let Ok((utf8, _)) = as_utf8(Box::new(Cursor::new(bytes.clone())), None) else { return false };
        let rows: Vec<_> = XesRows::open(utf8).collect();
        let are_good = are_good(&rows);
        check_rows(&bytes, rows);
        are_good
    });
    counts.assert_both();
}

#[test]
fn damaged_maps_are_refused_or_plan_each_row_the_same_twice() {
    let damage = Damage::new([MAP], &PIECES);
    let counts = run(CASES_MIN, |random| {
        let Ok(text) = String::from_utf8(damage.bytes(random)) else { return false };
        let Ok(map) = Map::parse(&text) else { return false };
        let rows = check_rows(CSV.as_bytes(), CsvRows::open(CSV.as_bytes(), None, 0).unwrap().collect());
        let planned = |mut keys: Keys| rows.iter().map(|row| map.plan(row, &mut keys)).collect::<Vec<_>>();
        let first = planned(Keys::default());
        assert_eq!(first, planned(Keys::default()));
        for command in first.into_iter().filter_map(|planned| planned.ok().flatten()) {
            serde_json::from_str::<serde_json::Value>(&command.payload).unwrap();
        }
        true
    });
    counts.assert_both();
}

#[test]
fn damaged_times_are_refused_or_read_the_same_once_they_are_written() {
    let texts =
        ["2011-10-11T13:45:40.276+02:00", "2011-10-30 02:30", "11-10-2011 +0200", "1318333540276", "40827.573379"];
    let damage =
        Damage::new(texts, &["+25:59:59", "-00:00:10", "Z", "[Europe/Amsterdam]", "1e9", "999999", "-", ":60", " "]);
    let form = |format: Option<&str>, zone_name: Option<&str>| {
        TimeForm::new(format.map(str::to_owned), zone_name.map(|name| zone(name).unwrap()), Some(Twice::Later)).unwrap()
    };
    let standard = form(None, None);
    let forms = [
        form(None, Some("Europe/Amsterdam")),
        form(Some("%d-%m-%Y %z"), None),
        form(Some("epoch-ms"), Some("+01:00")),
        form(Some("epoch-s"), None),
        form(Some("excel-days"), Some("UTC")),
    ];
    let counts = run(CASES_MIN, |random| {
        let text = damage.text(random);
        let form = random.choice(&forms).unwrap_or(&standard);
        let Ok(written) = form.read(&text) else { return false };
        // The offset that is written has no seconds, and -00:00 is read as +00:00. Nothing else may change.
        let again = standard.read(&written).unwrap_or_else(|problem| panic!("{text:?} became {written}: {problem}"));
        assert_eq!(standard.read(&again).as_ref(), Ok(&again), "{text:?} became {written}");
        true
    });
    counts.assert_both();
}
