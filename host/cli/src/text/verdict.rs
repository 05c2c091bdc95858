//! Formats the findings of the revision check for people.

use polder_engine::{DifferingPlace, Verdict};
use serde_json::Value;

/// Reads a verdict in a host's answer. Returns `None` if the answer has none.
pub(crate) fn read(verdict: &Value) -> Option<Verdict> {
    serde_json::from_value(verdict.clone()).ok()
}

/// The places where states differ, one per line, and the first of the states that differ.
pub(crate) fn differences(verdict: &Verdict) -> String {
    let mut text = String::new();
    for DifferingPlace { aggregate, path, aggregates } in &verdict.replay.places {
        text.push_str(&format!("\n  {aggregate}: {path}: {aggregates}"));
    }
    for difference in &verdict.replay.differences {
        text.push_str(&format!("\n  {} {} at sequence {}:", difference.aggregate, difference.id, difference.sequence));
        for change in &difference.changes {
            let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
            let (before, after) = (shown(&change.before), shown(&change.after));
            text.push_str(&format!("\n    {}: {before} before, {after} now", change.path));
        }
    }
    let listed = verdict.replay.differences.len() as u64;
    if verdict.replay.differing > listed && listed > 0 {
        text.push_str(&format!("\n  … and {} more", verdict.replay.differing - listed));
    }
    text
}
