//! What a member of a translated payload is made of.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::kind::EventKind;
use super::path::Path;
use super::text::Text;
use crate::Event;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// What stands there in the event. Where nothing does the member is left out.
    Pick(Path),
    /// Always the same.
    Value(Value),
    Text(Text),
}

/// What a rule is applied to.
pub(super) struct Source<'a> {
    /// The recorded one that it came from.
    pub(super) event: &'a Event,
    pub(super) kind: &'a EventKind,
    pub(super) payload: &'a str,
}

pub(super) enum Made {
    Json(String),
    Nothing,
    TooLarge,
}

impl Field {
    pub(super) fn made(&self, source: &Source<'_>, bytes_max: usize) -> Made {
        let json = match self {
            Self::Pick(path) => match path.find(source) {
                Some(json) if json.len() > bytes_max => return Made::TooLarge,
                Some(json) => json.into_owned(),
                None => return Made::Nothing,
            },
            Self::Value(value) => value.to_string(),
            Self::Text(text) => match text.filled(source, bytes_max) {
                Some(filled) => Value::from(filled).to_string(),
                None => return Made::TooLarge,
            },
        };
        if json.len() > bytes_max { Made::TooLarge } else { Made::Json(json) }
    }
}
