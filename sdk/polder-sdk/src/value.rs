//! Value objects: values that are checked once, when they are built.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most characters of a value that a message shows; a value may be of any length.
const SHOWN_CHARS_MAX: usize = 80;

/// The error for a value that its type refuses. Its message holds the value and the rule.
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

/// Reads a text and checks it while the reader is still at its place, so that an error reports that place.
#[doc(hidden)]
pub fn read_text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    check: fn(String) -> Result<T, InvalidValue>,
) -> Result<T, D::Error> {
    struct Text<T>(fn(String) -> Result<T, InvalidValue>);

    impl<T> Visitor<'_> for Text<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            self.0(text.to_owned()).map_err(E::custom)
        }
    }

    deserializer.deserialize_str(Text(check))
}

/// Reads a whole number and checks it while the reader is still at its place.
#[doc(hidden)]
pub fn read_number<'de, D, N, T>(deserializer: D, check: fn(N) -> Result<T, InvalidValue>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64> + TryFrom<i64>,
{
    struct Number<N, T>(fn(N) -> Result<T, InvalidValue>);

    impl<N: TryFrom<u64> + TryFrom<i64>, T> Visitor<'_> for Number<N, T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(std::any::type_name::<N>())
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
            match N::try_from(number) {
                Ok(number) => self.0(number).map_err(E::custom),
                Err(_) => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
            }
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
            match N::try_from(number) {
                Ok(number) => self.0(number).map_err(E::custom),
                Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
            }
        }
    }

    deserializer.deserialize_u64(Number(check))
}

/// Text of 1 to `CHARS_MAX` characters that is visible: not only blanks, and no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NonEmptyText<const CHARS_MAX: usize>(Box<str>);

impl<const CHARS_MAX: usize> NonEmptyText<CHARS_MAX> {
    /// Makes a value of `text`.
    /// # Errors
    /// Fails when it is blank, longer than `CHARS_MAX` characters, or has a control character.
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
        read_text(deserializer, Self::new)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shows_something_and_ends() {
        for good in ["a", " a ", "Bürgeramt", "12345678ü"] {
            assert_eq!(NonEmptyText::<9>::new(good).unwrap().as_str(), good);
        }
        for bad in ["", " ", "\u{a0}", "a\nb", "1234567890"] {
            let error = NonEmptyText::<9>::new(bad).unwrap_err().to_string();
            assert!(error.ends_with("it has 1 to 9 characters, not only blanks, no control characters"), "{error}");
        }
    }

    #[test]
    fn a_long_value_is_shown_in_part() {
        let error = NonEmptyText::<9>::new("ä".repeat(10_000)).unwrap_err();
        assert!(error.to_string().len() < 300);
    }
}
