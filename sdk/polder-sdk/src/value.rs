//! Value objects: values that were checked once, when they were built.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a message shows of a value that may be of any length, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// A value that its type refuses: says which, and the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidValue {
    message: String,
}

impl InvalidValue {
    #[doc(hidden)]
    pub fn new(what: &str, value: &dyn fmt::Debug, rule: String) -> Self {
        let mut shown = format!("{value:?}");
        if let Some((end, _)) = shown.char_indices().nth(SHOWN_CHARS_MAX) {
            shown.truncate(end);
            shown.push('…');
        }
        Self { message: format!("{shown} is no {what}: {rule}") }
    }
}

impl fmt::Display for InvalidValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidValue {}

/// Text of 1 to `CHARS_MAX` characters that shows something: not only blanks, and no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NonEmptyText<const CHARS_MAX: usize>(Box<str>);

impl<const CHARS_MAX: usize> NonEmptyText<CHARS_MAX> {
    /// Takes `text` if the rule allows it.
    /// # Errors
    /// When it is blank, longer than `CHARS_MAX` characters, or has a control character.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidValue> {
        let text = text.into();
        if text.trim().is_empty() || text.chars().any(char::is_control) || characters(&text) > CHARS_MAX {
            return Err(InvalidValue::new("text for this", &text, Self::rule()));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn rule() -> String {
        format!("it has 1 to {CHARS_MAX} characters, not only blanks, no control characters")
    }
}

/// Characters of `text`, counted as JSON schema counts them.
#[doc(hidden)]
pub fn characters(text: &str) -> usize {
    text.chars().count()
}

impl<const CHARS_MAX: usize> AsRef<str> for NonEmptyText<CHARS_MAX> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const CHARS_MAX: usize> fmt::Display for NonEmptyText<CHARS_MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const CHARS_MAX: usize> TryFrom<String> for NonEmptyText<CHARS_MAX> {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Self::new(text)
    }
}

impl<const CHARS_MAX: usize> Serialize for NonEmptyText<CHARS_MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, const CHARS_MAX: usize> Deserialize<'de> for NonEmptyText<CHARS_MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<const CHARS_MAX: usize> JsonSchema for NonEmptyText<CHARS_MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Owned(format!("NonEmptyText{CHARS_MAX}"))
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": CHARS_MAX, "description": Self::rule() })
    }
}
