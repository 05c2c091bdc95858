//! The same log in every format, and a dry run.

use polder_tests::Host;
use tempfile::tempdir;

use super::count::Count;
use super::office_log::{OfficeLog, compressed, written};
use super::{import, map, tally};

#[test]
fn every_form_of_a_log_is_the_same_log() {
    let seed = 2;
    println!("seed {seed}");
    let folder = tempdir().unwrap();
    let log = OfficeLog::generated(seed, 40);
    let (csv, xes, rows) = (log.csv(), log.xes(), log.rows.len() as u64);
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("permits");

    // The compressed XES comes first: all later files contain nothing new.
    for (name, bytes, wanted) in [
        ("log.xes.gz", compressed(&xes), (rows, 0, 0)),
        ("log.xes", xes, (0, rows, 0)),
        ("log.csv.gz", compressed(&csv), (0, rows, 0)),
        ("log.csv", csv.clone(), (0, rows, 0)),
    ] {
        let file = written(folder.path(), name, &bytes);
        assert_eq!(tally(&import(&host, &file, &[]).json()), wanted, "{name}");
    }
    Count::of_views(&host).must_equal(&Count::of_csv(&csv));
}

#[test]
fn a_dry_run_counts_and_sends_nothing() {
    let folder = tempdir().unwrap();
    let log = OfficeLog::generated(3, 20);
    let file = written(folder.path(), "log.csv", &log.csv());
    let (file, map) = (file.to_str().unwrap(), map());
    let arguments = ["import", file, "--map", map.to_str().unwrap(), "--dry-run"];
    let host = Host::start(&folder.path().join("data"));
    host.client().deploy("permits");

    let ran = host.polder(&arguments);
    let tasks = log.rows.len() - 20;
    assert_eq!(
        ran.good(),
        format!(
            "{} commands would be sent\n  {tasks} record-task\n  20 register-application\n0 rows refused",
            log.rows.len()
        )
    );
    let ran = host.polder(&[&arguments[..], &["--json"]].concat());
    let wanted = serde_json::json!({
        "commands": { "record-task": tasks, "register-application": 20 }, "skipped": 0, "refused": 0, "reasons": []
    });
    assert_eq!(ran.json(), wanted);
    assert_eq!(host.client().position(), 0);

    // A dry run needs the host's schemas.
    let ran = polder_tests::polder(&[&arguments[..], &["--host", "http://127.0.0.1:1"]].concat());
    assert!(ran.code != 0 && ran.stderr.contains("no host answers"), "{ran}");
}
