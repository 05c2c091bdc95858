//! Notes for the log, as many and as long as a guest can write.

use polder_sdk::__private::glue::bindings::polder::domain::diagnostics;

const NOTES: usize = 1_000;
const NOTE_BYTES: usize = 1_000;

/// Every note has a line end, as if it were two lines of the log.
pub(crate) fn flood() {
    let message = format!("flood {}\n1970-01-01T00:00:00Z  INFO forged", "x".repeat(NOTE_BYTES));
    for level in (1..=4).cycle().take(NOTES) {
        diagnostics::note(level, &message);
    }
}
