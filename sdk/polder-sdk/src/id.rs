//! Typed ids: an id of an order cannot be used where an id of a customer is expected.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::value::{InvalidValue, read_text};

/// The longest id, in bytes: the host's limit for aggregate ids.
const ID_BYTES_MAX: usize = 128;
const RULE: &str = "an id has 1 to 128 characters A-Z, a-z, 0-9 and - _ : @ = + ~";

/// The id of a `T`: 1 to 128 characters of `A-Z`, `a-z`, `0-9` and `- _ : @ = + ~`, the host's rule for aggregate ids.
///
/// Its JSON form is the plain text. `T` is any type, often an aggregate; no value of it is needed.
pub struct Id<T> {
    text: Box<str>,
    of: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// Makes an id of `text`.
    /// # Errors
    /// Fails when `text` is empty, has more than 128 characters, or has a character that an id may not have.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidValue> {
        let text = text.into();
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_:@=+~".contains(&byte);
        if text.is_empty() || text.len() > ID_BYTES_MAX || !text.bytes().all(allowed) {
            return Err(InvalidValue::new("Id", &text, RULE.to_owned()));
        }
        Ok(Self { text: text.into(), of: PhantomData })
    }

    pub(crate) fn from_uuid(uuid: Uuid) -> Self {
        Self { text: uuid.hyphenated().to_string().into(), of: PhantomData }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T> AsRef<str> for Id<T> {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl<T> FromStr for Id<T> {
    type Err = InvalidValue;
    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        Self::new(text)
    }
}

impl<T> TryFrom<String> for Id<T> {
    type Error = InvalidValue;
    fn try_from(text: String) -> Result<Self, InvalidValue> {
        Self::new(text)
    }
}

// Written by hand, because derived implementations would require the same traits of `T`.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), of: PhantomData }
    }
}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_text(deserializer, Self::new)
    }
}

impl<T> JsonSchema for Id<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Id")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Za-z0-9_:@=+~-]{1,128}$", "description": RULE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_keeps_the_hosts_rule() {
        for good in ["case-10011", "A_b:c@d=e+f~g", &"9".repeat(128)] {
            assert_eq!(Id::<()>::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a.b", "a/b", "a*", ">", "é", &"9".repeat(129)] {
            assert!(Id::<()>::new(bad).unwrap_err().to_string().ends_with(RULE), "{bad}");
        }
    }

    #[test]
    fn in_json_it_is_its_text() {
        let id: Id<()> = serde_json::from_str("\"o-1\"").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "\"o-1\"");
        assert!(serde_json::from_str::<Id<()>>("\"o 1\"").is_err());
    }
}
