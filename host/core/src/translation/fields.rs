//! The members of a translated payload, and how their values are made.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::path::Path;
use super::source::Source;
use super::text::Text;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The value at this path in the event. If there is none, the member is left out.
    Pick(Path),
    /// A constant value.
    Value(Value),
    Text(Text),
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
