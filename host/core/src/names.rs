//! Names and ids as types. A value that was parsed once is a valid path segment, NATS subject token and key.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Maximum length of the name of a tenant, domain, aggregate, command, event or projection, in bytes.
pub const NAME_BYTES_MAX: usize = 63;
/// Maximum length of an aggregate id, command id or correlation id, in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// A name or id is invalid. The message contains the value, the problem, and the rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} {problem}: {rule}")]
pub struct NameError {
    what: &'static str,
    value: String,
    problem: &'static str,
    rule: &'static str,
}

const NAME_RULE: &str = "a name has 1 to 63 characters a-z, 0-9 and '-', and starts with a letter";
const AGGREGATE_ID_RULE: &str = "an id has 1 to 128 characters A-Z, a-z, 0-9 and - _ : @ = + ~";
const VISIBLE_ID_RULE: &str = "an id has 1 to 128 visible ASCII characters, without spaces";

fn check_name(text: &str) -> Result<(), (&'static str, &'static str)> {
    let problem = match text.as_bytes() {
        [] => "is empty",
        bytes if bytes.len() > NAME_BYTES_MAX => "is too long",
        [first, ..] if !first.is_ascii_lowercase() => "does not start with a small letter",
        bytes if !bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-') => {
            "has a character that is not allowed"
        }
        _ => return Ok(()),
    };
    Err((problem, NAME_RULE))
}

/// Allows fewer characters than printable text has, because ids appear unescaped in paths, subjects and shell commands.
fn check_aggregate_id(text: &str) -> Result<(), (&'static str, &'static str)> {
    check_id(text, AGGREGATE_ID_RULE, |b| b.is_ascii_alphanumeric() || b"-_:@=+~".contains(&b))
}

fn check_visible_id(text: &str) -> Result<(), (&'static str, &'static str)> {
    check_id(text, VISIBLE_ID_RULE, |b| b.is_ascii_graphic())
}

fn check_id(text: &str, rule: &'static str, allowed: fn(u8) -> bool) -> Result<(), (&'static str, &'static str)> {
    let problem = match text.as_bytes() {
        [] => "is empty",
        bytes if bytes.len() > ID_BYTES_MAX => "is too long",
        bytes if !bytes.iter().copied().all(allowed) => "has a character that is not allowed",
        _ => return Ok(()),
    };
    Err((problem, rule))
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $check:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` against the rule for this kind of name.
            pub fn new(text: &str) -> Result<Self, NameError> {
                match $check(text) {
                    Ok(()) => Ok(Self(Arc::from(text))),
                    Err((problem, rule)) => Err(NameError { what: $what, value: shorten(text), problem, rule }),
                }
            }

            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Debug::fmt(&self.0, f) }
        }
        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> { Self::new(text) }
        }
        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> { Self::new(&text) }
        }
        impl From<$name> for String {
            fn from(name: $name) -> String { name.0.as_ref().to_owned() }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str { &self.0 }
        }
    )*};
}

names! {
    /// The owner of domains, with their history, read models and limits.
    TenantName, "tenant", check_name;
    /// One bounded context, which is one component.
    DomainName, "domain", check_name;
    /// The type of an aggregate: `order`.
    AggregateName, "aggregate", check_name;
    /// Identifies one aggregate among those of its type.
    AggregateId, "aggregate id", check_aggregate_id;
    /// The name of a command, in the imperative: `submit-order`.
    CommandName, "command", check_name;
    /// Identifies a command. Unique per aggregate: a repeated id returns the first acknowledgement again.
    CommandId, "command id", check_visible_id;
    /// The name of an event, in the past tense: `order-submitted`.
    EventName, "event", check_name;
    /// The name of a read model: `order-summary`.
    ProjectionName, "projection", check_name;
    /// Connects everything that one request caused.
    CorrelationId, "correlation id", check_visible_id;
}

/// A command's id is the correlation id of everything it causes, unless the caller chose another.
impl From<&CommandId> for CorrelationId {
    fn from(id: &CommandId) -> Self {
        Self(Arc::clone(&id.0))
    }
}

/// Shortens a value of any length for a message.
fn shorten(text: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 80;
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_pass() {
        for name in ["a", "order", "order-line-2", &"x".repeat(63)] {
            assert_eq!(DomainName::new(name).unwrap().as_str(), name);
        }
        for id in ["case-10011", "A_b:c@d=e+f~g", &"9".repeat(128)] {
            assert_eq!(AggregateId::new(id).unwrap().as_str(), id);
        }
        assert!(CommandId::new("task-42933/1.5").is_ok());
    }

    #[test]
    fn the_error_of_a_bad_name_contains_the_rule() {
        for name in ["", "Order", "1order", "-a", "a b", "a.b", "a*", "a>", "ü", "a\0", &"x".repeat(64)] {
            let error = DomainName::new(name).unwrap_err().to_string();
            assert!(error.contains("domain") && error.contains("a name has 1 to 63"), "{error}");
        }
        for id in ["", "a b", "a.b", "a/b", "a*", ">", "é", &"9".repeat(129)] {
            assert!(AggregateId::new(id).unwrap_err().to_string().contains("an id has 1 to 128"), "{id}");
        }
        assert!(CommandId::new("two words").is_err());
    }

    #[test]
    fn a_long_value_is_shown_in_part() {
        let error = TenantName::new(&"ä".repeat(10_000)).unwrap_err();
        assert!(error.to_string().len() < 400);
    }
}
