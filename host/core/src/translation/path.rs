//! The path to a value: members of the payload separated by dots (items of an array by their number), or, after a `$`,
//! a property of the event other than its payload.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::source::Source;

/// Maximum length of a path, in bytes.
const PATH_BYTES_MAX: usize = 256;

/// The names that may follow a `$`.
const KNOWN: &[&str] = &[
    "id",
    "position",
    "domain",
    "aggregate",
    "aggregate_id",
    "sequence",
    "name",
    "version",
    "at_ms",
    "command_id",
    "correlation_id",
    "causation_id",
    "actor",
    "traceparent",
];

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{path:?} is no path to a value: expected members separated by dots, as in address.city, or one of {}",
    known()
)]
pub struct PathError {
    path: String,
}

fn known() -> String {
    KNOWN.iter().map(|name| format!("${name}")).collect::<Vec<_>>().join(", ")
}

impl Path {
    pub fn new(text: &str) -> Result<Self, PathError> {
        let is_good = match text.strip_prefix('$') {
            Some(name) => KNOWN.contains(&name),
            None => {
                text.len() <= PATH_BYTES_MAX
                    && text.split('.').all(|member| !member.is_empty())
                    && !text.contains(['{', '}'])
            }
        };
        if is_good { Ok(Self(text.to_owned())) } else { Err(PathError { path: text.chars().take(80).collect() }) }
    }

    /// The value as JSON; `None` if there is none.
    pub(super) fn find<'a>(&self, source: &Source<'a>) -> Option<Cow<'a, str>> {
        match self.0.strip_prefix('$') {
            Some(name) => known_of(name, source).map(Cow::Owned),
            None => {
                let mut found = source.payload;
                for member in self.0.split('.') {
                    found = within(found, member)?;
                }
                Some(Cow::Borrowed(found))
            }
        }
    }
}

fn known_of(name: &str, source: &Source<'_>) -> Option<String> {
    let Source { event, kind, .. } = source;
    let text = |text: &str| Some(serde_json::Value::from(text).to_string());
    match name {
        "id" => text(&event.id.to_string()),
        "position" => Some(event.position.to_string()),
        "domain" => text(kind.domain.as_str()),
        "aggregate" => text(kind.aggregate.as_str()),
        "aggregate_id" => text(event.aggregate_id.as_str()),
        "sequence" => Some(event.sequence.to_string()),
        "name" => text(kind.name.as_str()),
        "version" => Some(kind.version.to_string()),
        "at_ms" => Some(event.at_ms.to_string()),
        "command_id" => text(event.command_id.as_str()),
        "correlation_id" => text(event.correlation_id.as_str()),
        "causation_id" => event.causation_id.as_ref().and_then(|id| text(id.as_str())),
        "actor" => event.actor.as_deref().and_then(text),
        "traceparent" => event.traceparent.as_deref().and_then(text),
        _ => None,
    }
}

fn within<'a>(json: &'a str, member: &str) -> Option<&'a str> {
    if json.trim_start().starts_with('[') {
        let values: Vec<&'a RawValue> = serde_json::from_str(json).ok()?;
        return values.get(member.parse::<usize>().ok()?).map(|value| value.get());
    }
    let members: HashMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(json).ok()?;
    members.get(member).map(|value| value.get())
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Path {
    type Error = PathError;
    fn try_from(text: String) -> Result<Self, PathError> {
        Self::new(&text)
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_member_by_member() {
        let json = r#"{"a": {"b": [1, {"c": null}]}, "é\n": "x", "": 3}"#;
        let find = |path: &str| path.split('.').try_fold(json, |found, member| within(found, member));
        assert_eq!(find("a.b.0"), Some("1"));
        assert_eq!(find("a.b.1.c"), Some("null"));
        assert_eq!(find("é\n"), Some("\"x\""));
        assert_eq!(find("a.b"), Some(r#"[1, {"c": null}]"#));
        for path in ["b", "a.b.2", "a.b.x", "a.b.0.c", "a.b.1.c.d", "a.b.-1"] {
            assert_eq!(find(path), None, "{path}");
        }
    }

    #[test]
    fn an_invalid_path_is_refused_with_the_reason() {
        for text in ["", ".", "a..b", "a.", "$", "$payload", "$actor.name", "{a}", &"a".repeat(257)] {
            let error = Path::new(text).unwrap_err().to_string();
            assert!(error.contains("address.city") && error.contains("$aggregate_id"), "{error}");
        }
        assert_eq!(Path::new("a.0.b c").unwrap().to_string(), "a.0.b c");
    }
}
