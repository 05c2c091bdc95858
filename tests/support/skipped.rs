//! Reports tests, or parts of them, that this machine cannot run.

use std::io::Write as _;

/// Reports that the running test is skipped, or a part of it, with the reason. The line `skipped: TEST: REASON` goes to
/// stdout directly: what the macros print is shown for failed tests only.
pub fn skipped(reason: &str) {
    let thread = std::thread::current();
    // One write, so that the lines of tests that run at the same time do not mix.
    let line = format!("skipped: {}: {reason}\n", thread.name().unwrap_or("a test"));
    std::io::stdout().write_all(line.as_bytes()).expect("stdout can be written");
}
