//! Rows that cannot be read, or that the domain refuses, are reported by reason and line, and the rest is imported.

use std::path::Path;

use polder_tests::{Host, polder};
use serde_json::json;
use tempfile::tempdir;

use super::office_log::{OfficeLog, written};
use super::{import, map, tally};

const CASE: usize = 1;
const KEY: usize = 9;
const TASK: usize = 10;
const TIME: usize = 14;

/// Three cases of three rows. The line of a row in the file is its number, counted from 1, plus one for the header.
fn small_log() -> OfficeLog {
    let mut log = OfficeLog::generated(4, 40);
    log.rows.retain({
        let mut seen = std::collections::BTreeMap::<String, u32>::new();
        let all = log.rows.clone();
        move |row| {
            let is_long = all.iter().filter(|other| other[CASE] == row[CASE]).count() >= 3;
            let count = seen.entry(row[CASE].clone()).or_default();
            *count += 1;
            is_long && *count <= 3
        }
    });
    log.rows.truncate(9);
    log
}

#[test]
fn refused_rows_are_grouped_by_reason_and_the_rest_goes_on() {
    let folder = tempdir().unwrap();
    let mut log = small_log();
    // Line 3: no time. Line 4: an unknown task. Line 6: no key. Line 7: earlier than the task before it.
    log.rows[1][TIME] = String::from("some day");
    log.rows[2][TASK] = String::from("T99 Lose the file");
    log.rows[4][KEY] = String::new();
    log.rows[5][TIME] = String::from("1999-01-01 00:00:00+01:00");
    // Line 11: a cell too many. Line 12: not text. Line 13: a case that was never registered.
    let mut csv = log.csv();
    csv.extend_from_slice(log.csv().split(|byte| *byte == b'\n').nth(1).unwrap());
    csv.extend_from_slice(b",more\n");
    csv.extend_from_slice(&[b"\xFF,".repeat(14), b"x\n".to_vec()].concat());
    let mut stray = log.rows[2].clone();
    (stray[CASE], stray[KEY], stray[TASK]) = ("case-x".into(), "task-x".into(), log.rows[7][TASK].clone());
    csv.extend_from_slice(format!("{}\n", stray.join(",")).as_bytes());
    let file = written(folder.path(), "log.csv", &csv);
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("permits");

    let ran = import(&host, &file, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(tally(&report), (5, 0, 7), "{report}");
    let lines = |reason: &str| {
        let reasons = report["reasons"].as_array().unwrap();
        let found = reasons.iter().find(|found| found["reason"].as_str().unwrap().contains(reason));
        found.unwrap_or_else(|| panic!("no {reason:?} in {report}"))["lines"].clone()
    };
    assert_eq!(lines("column \"time:timestamp\" is not a time"), json!([3]));
    assert_eq!(lines("invalid-payload"), json!([4]));
    assert_eq!(lines("column \"concept:instance\" is empty, which the row key needs"), json!([6]));
    assert_eq!(lines("task-out-of-order"), json!([7]));
    assert_eq!(lines("another number of cells"), json!([11]));
    assert_eq!(lines("not UTF-8"), json!([12]));
    assert_eq!(lines("not-registered"), json!([13]));
    assert_eq!(host.client().position(), 5);

    // For people, the same with the details.
    let (log, map) = (file.to_str().unwrap(), map());
    let ran = host.polder(&["import", log, "--map", map.to_str().unwrap()]);
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{ran}");
    assert!(ran.stdout.starts_with("0 accepted, 5 already handled, 7 refused\n  3 of them were refused before: --retry-refused has them decided again\n"), "{ran}");
    assert!(
        ran.stdout.contains("1 refused: task-out-of-order (line 7)\n    line 7: a task completed at 1999"),
        "{ran}"
    );
}

#[test]
fn an_import_that_cannot_work_ends_at_once() {
    let folder = tempdir().unwrap();
    let log = written(folder.path(), "log.csv", &small_log().csv());
    let host = Host::start(&folder.path().join("data"));
    let (log_text, map) = (log.to_str().unwrap(), map());
    let map = map.to_str().unwrap();

    // A host without the domain: one error instead of a refusal for each row.
    let ran = import(&host, &log, &[]);
    assert_eq!(ran.code, 3, "{ran}");
    assert_eq!(ran.stderr, "error: tenant \"main\" has no domain \"permits\"\n");

    // No host, and no wait for one.
    let ran = polder(&["import", log_text, "--map", map, "--host", "http://127.0.0.1:1", "--wait", "0"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (4, "0 accepted, 0 already handled, 0 refused\n"), "{ran}");
    assert!(ran.stderr.contains("no host answers at http://127.0.0.1:1"), "{ran}");

    // Files that are not logs, and maps that are not maps.
    let refused = |log: &Path, map: &Path| {
        let ran = polder(&["import", log.to_str().unwrap(), "--map", map.to_str().unwrap(), "--dry-run"]);
        ran.refused().to_owned()
    };
    let (no_file, other) = (folder.path().join("none.csv"), written(folder.path(), "log.txt", b"a,b\n"));
    assert!(refused(&no_file, Path::new(map)).ends_with("none.csv: No such file or directory (os error 2)"));
    assert!(refused(&other, Path::new(map)).contains("its name must end in .csv, .tsv or .xes"));
    let narrow = written(folder.path(), "narrow.csv", b"a,b\n1,2\n");
    assert!(
        refused(&narrow, Path::new(map)).contains("names column \"case:channel\", and the file has only \"a\", \"b\"")
    );
    let no_map = refused(&log, &folder.path().join("none.toml"));
    assert_eq!(no_map.matches("none.toml").count(), 1, "{no_map}");
    let bad_map = written(folder.path(), "bad.toml", b"domain = \"permits\"\ncolour = 1\n");
    let bad_map = refused(&log, &bad_map);
    assert!(bad_map.contains("bad.toml is not right") && bad_map.contains("unknown field `colour`"), "{bad_map}");
}
