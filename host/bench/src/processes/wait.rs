//! Waits for another process, up to a limit.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;

/// Longest wait until servers are ready, or a host owns a journal.
const READY_WAIT_MAX: Duration = Duration::from_secs(30);
const CHECK_PAUSE: Duration = Duration::from_millis(10);

/// Checks again and again until `is_so` returns true. `what` completes the message "timed out before …".
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let start = Instant::now();
    while !is_so()? {
        ensure!(start.elapsed() < READY_WAIT_MAX, "timed out before {what}");
        sleep(CHECK_PAUSE);
    }
    Ok(())
}
