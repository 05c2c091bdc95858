//! Compares two states as JSON and lists the places where they differ. Pure.

use polder_core::Sequence;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Differing places listed for one aggregate. More places than this are left out.
const CHANGES_MAX: usize = 8;
/// Length of a listed value, in characters. The rest is cut off.
const VALUE_CHARS_MAX: usize = 120;

/// An aggregate whose state differs between the two revisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub aggregate: String,
    pub id: String,
    pub sequence: Sequence,
    /// The first differing places.
    pub changes: Vec<Change>,
}

/// One place in a state, as a path with dots, and the values there as shortened JSON. `None` means that the place does
/// not exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    pub path: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// The places where the two states differ; empty if they are equal.
pub(super) fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare("", Some(before), Some(after), &mut found);
    found
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, found: &mut Vec<Change>) {
    if before == after || found.len() == CHANGES_MAX {
        return;
    }
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            for (name, value) in before {
                compare(&below(path, name), Some(value), after.get(name), found);
            }
            for (name, value) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
                compare(&below(path, name), None, Some(value), found);
            }
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) => {
            for index in 0..before.len().max(after.len()) {
                compare(&below(path, &index.to_string()), before.get(index), after.get(index), found);
            }
        }
        _ => found.push(Change { path: path.to_owned(), before: before.map(shown), after: after.map(shown) }),
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn listed(before: &Value, after: &Value) -> Vec<(String, String, String)> {
        let text = |value: Option<String>| value.unwrap_or_default();
        changes(before, after).into_iter().map(|c| (c.path, text(c.before), text(c.after))).collect()
    }

    #[test]
    fn equal_places_are_not_listed() {
        let state = json!({ "a": 1, "b": [1, { "c": null }] });
        assert_eq!(changes(&state, &state.clone()), []);
        assert_eq!(changes(&json!({ "a": 1, "b": 2 }), &json!({ "b": 2, "a": 1 })), []);
    }

    #[test]
    fn each_differing_place_is_listed() {
        let before = json!({ "total": 5, "lines": { "TEA": { "price": 1 } }, "tags": ["a", "b"], "gone": true });
        let after = json!({ "total": 7, "lines": { "TEA": { "price": 2 } }, "tags": ["a"], "new": "x" });
        let place = |path: &str, before: &str, after: &str| (path.to_owned(), before.to_owned(), after.to_owned());
        let expected = [
            place("gone", "true", ""),
            place("lines.TEA.price", "1", "2"),
            place("tags.1", "\"b\"", ""),
            place("total", "5", "7"),
            place("new", "", "\"x\""),
        ];
        assert_eq!(listed(&before, &after), expected);
        assert_eq!(listed(&json!(1), &json!([1])), [place("", "1", "[1]")]);
    }

    #[test]
    fn much_is_shortened() {
        let many = |value: u64| Value::Array((0..100).map(|_| json!(value)).collect());
        assert_eq!(changes(&many(1), &many(2)).len(), CHANGES_MAX);
        let long = &changes(&json!("x".repeat(1_000)), &json!(0))[0];
        assert_eq!(long.before.as_ref().unwrap().chars().count(), VALUE_CHARS_MAX + 1);
    }
}
