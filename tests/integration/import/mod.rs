//! A log becomes a history, once, also with interruptions: the views must show the same figures as a count of the log's
//! rows.

mod count;
mod formats;
mod kills;
mod mended;
mod odd_files;
mod office;
mod office_log;
mod rows_refused;

use std::path::{Path, PathBuf};

use polder_tests::{Host, Ran, repository_file};
use serde_json::Value;

/// The map that `guests/permits` contains.
fn map() -> PathBuf {
    repository_file("guests/permits/map.toml")
}

/// Imports a log of the office, with any further arguments.
fn import(host: &Host, log: &Path, further: &[&str]) -> Ran {
    let (log, map) = (log.to_str().expect("UTF-8"), map());
    let arguments = ["import", log, "--map", map.to_str().expect("UTF-8"), "--json"];
    host.polder(&[&arguments[..], further].concat())
}

/// The counts of accepted, already handled and refused rows.
fn tally(report: &Value) -> (u64, u64, u64) {
    let count = |name: &str| report[name].as_u64().unwrap_or_else(|| panic!("{report}"));
    (count("accepted"), count("already_handled"), count("refused"))
}
