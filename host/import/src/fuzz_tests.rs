//! Whole logs and maps, mangled at random. They must be read to their end or refused, give no more rows than they hold,
//! and give the same result each time.
//!
//! `POLDER_FUZZ_SECONDS` sets the duration and `POLDER_FUZZ_SEED` the first seed. The seed of a failure is printed.

use std::io::Cursor;
use std::time::{Duration, Instant};

use crate::csv_rows::CsvRows;
use crate::encoding::{as_utf8, by_name};
use crate::map::Map;
use crate::row_ids::Keys;
use crate::rows::{BadRow, ReadError, Row};
use crate::xes_rows::XesRows;

const SECONDS: u64 = 2;

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

/// A simple random generator. The same seed gives the same numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn mangled(text: &str, random: &mut Random) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        match random.below(5) {
            0 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            1 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                let end = (at + random.below(20)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + random.below(60)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

/// Calls `test` with one seed after another.
fn for_a_while(test: impl Fn(&mut Random)) {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (seconds, mut seed) = (number("POLDER_FUZZ_SECONDS", SECONDS), number("POLDER_FUZZ_SEED", 1));
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(seconds) {
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // Neighbouring seeds differ only after a few numbers, so the seed is multiplied first.
            let mut random = Random(seed.max(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
            test(&mut random);
        }));
        if let Err(panic) = caught {
            println!("POLDER_FUZZ_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
        seed += 1;
    }
    println!("seeds up to {seed}");
}

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

#[test]
fn mangled_csv_is_read_to_its_end() {
    for_a_while(|random| {
        let bytes = mangled(CSV, random);
        let encoding = random.below(4) == 0;
        let declared = encoding.then(|| by_name("utf-16le").unwrap());
        let (utf8, _) = as_utf8(Box::new(Cursor::new(bytes.clone())), declared).unwrap();
        let Ok(rows) = CsvRows::open(utf8, None, random.below(2) as u64) else { return };
        let columns = rows.header().len();
        let rows: Vec<_> = rows.collect();
        if declared.is_none() {
            assert!(check_rows(&bytes, rows).iter().all(|row| row.cells.len() == columns));
        }
    });
}

#[test]
fn mangled_xes_is_read_to_its_end() {
    for_a_while(|random| {
        let bytes = mangled(XES, random);
        let Ok((utf8, _)) = as_utf8(Box::new(Cursor::new(bytes.clone())), None) else { return };
        check_rows(&bytes, XesRows::open(utf8).collect());
    });
}

#[test]
fn mangled_maps_are_refused_or_plan_each_row_the_same_twice() {
    for_a_while(|random| {
        let Ok(text) = String::from_utf8(mangled(MAP, random)) else { return };
        let Ok(map) = Map::parse(&text) else { return };
        let rows = check_rows(CSV.as_bytes(), CsvRows::open(CSV.as_bytes(), None, 0).unwrap().collect());
        let planned = |mut keys: Keys| rows.iter().map(|row| map.plan(row, &mut keys)).collect::<Vec<_>>();
        let first = planned(Keys::default());
        assert_eq!(first, planned(Keys::default()));
        for command in first.into_iter().filter_map(|planned| planned.ok().flatten()) {
            serde_json::from_str::<serde_json::Value>(&command.payload).unwrap();
        }
    });
}
