//! A whole log is imported twice: the real office's log if it is present, and always a generated one of its form.

use std::path::Path;

use polder_tests::{Host, polder, shared_data, skipped};
use tempfile::tempdir;

use super::count::Count;
use super::office_log::{OfficeLog, written};
use super::{import, tally};

#[test]
fn the_real_log_becomes_the_counts_it_holds() {
    let Some(log) = shared_data("permits/receipt.csv") else {
        return skipped("there is no ../shared/data/permits/receipt.csv beside the repository");
    };
    let count = imported_twice(&log);
    assert_eq!((count.rows(), count.cases.len(), count.resources.len()), (8_577, 1_434, 48));
}

#[test]
fn a_generated_log_becomes_the_counts_it_holds() {
    let seed = 1;
    println!("seed {seed}");
    let folder = tempdir().unwrap();
    let log = OfficeLog::generated(seed, 300);
    let count = imported_twice(&written(folder.path(), "log.csv", &log.csv()));
    assert_eq!((count.rows(), count.cases.len()), (log.rows.len() as u64, 300));
}

fn imported_twice(log: &Path) -> Count {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    let wanted = Count::of_csv(&std::fs::read(log).unwrap());
    let rows = wanted.rows();
    let host = Host::start(&data);
    let client = host.client();
    client.deploy("permits");

    assert_eq!(tally(&import(&host, log, &[]).json()), (rows, 0, 0));
    assert_eq!(client.position(), rows);
    Count::of_views(&host).must_equal(&wanted);

    assert_eq!(tally(&import(&host, log, &[]).json()), (0, rows, 0));
    assert_eq!(client.position(), rows, "the second import recorded something");
    Count::of_views(&host).must_equal(&wanted);

    host.stop();
    let verified = polder(&["verify", "--data", data.to_str().unwrap(), "--json"]).json();
    // The tenant's key, the upload and the activation are events of the host's own history, too.
    assert_eq!((&verified["events"], &verified["closed"]), (&(rows + 3).into(), &true.into()), "{verified}");
    wanted
}
