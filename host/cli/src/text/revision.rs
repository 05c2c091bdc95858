//! Formats revisions for people: the first digits, which are enough to name one.

use serde_json::Value;

const DIGITS: usize = 12;

/// The first digits of the revision in a member of a host's answer. Empty if the member holds no text.
pub(crate) fn shortened(revision: &Value) -> String {
    revision.as_str().unwrap_or_default().chars().take(DIGITS).collect()
}
