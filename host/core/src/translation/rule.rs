//! One rule: the events that it matches, and what they become.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fields::{Field, Made};
use super::kind::EventKind;
use super::limits::TRANSLATION_BYTES_MAX;
use super::source::Source;
use crate::access::Pattern;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The kinds of events to match, as a NATS pattern: `policies.access-control.updated.v1`, `policies.>`, `*.*.*.v1`.
    pub from: Pattern,
    /// Kinds of events that are not matched even so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Pattern>,
    pub to: EventKind,
    /// The members of the new payload. If `None`, the payload is copied byte for byte.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<BTreeMap<String, Field>>,
}

impl Rule {
    /// Whether the rule matches this kind, in the form in which [`EventKind`] is displayed.
    pub fn matches(&self, kind: &str) -> bool {
        self.from.matches(kind) && !self.except.iter().any(|pattern| pattern.matches(kind))
    }

    /// The new payload; `None` if it would be too large.
    pub(super) fn payload(&self, source: &Source<'_>) -> Option<String> {
        let Some(fields) = &self.fields else { return Some(source.payload.to_owned()) };
        let mut json = String::from("{");
        for (name, field) in fields {
            let room = TRANSLATION_BYTES_MAX.saturating_sub(json.len());
            let made = match field.made(source, room) {
                Made::Json(made) => made,
                Made::Nothing => continue,
                Made::TooLarge => return None,
            };
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&serde_json::Value::from(name.as_str()).to_string());
            json.push(':');
            json.push_str(&made);
        }
        json.push('}');
        (json.len() <= TRANSLATION_BYTES_MAX).then_some(json)
    }
}
