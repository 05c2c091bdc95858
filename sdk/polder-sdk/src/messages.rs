//! The input and output of a domain as bytes: the same shapes as in the interface, without WebAssembly.

use std::borrow::Cow;
use std::fmt;

/// A recorded event, borrowed from its owner. It never changes.
#[derive(Debug, Clone, Copy)]
pub struct EventRef<'a> {
    /// Place in the tenant's history, from 1, without gaps.
    pub position: u64,
    /// The kind of aggregate that it happened to, such as `order`.
    pub aggregate: &'a str,
    /// The id of the aggregate that it happened to.
    pub aggregate_id: &'a str,
    /// Place in that aggregate's own history, from 1, without gaps.
    pub sequence: u64,
    /// The name of the event, such as `order-submitted`.
    pub name: &'a str,
    /// The version in which it was recorded, from 1; it may be older than the newest version.
    pub version: u32,
    /// The JSON that was recorded.
    pub payload: &'a [u8],
    /// The `at_ms` of the command that caused it.
    pub at_ms: u64,
}

/// A request to one aggregate, borrowed from its owner.
#[derive(Debug, Clone, Copy)]
pub struct CommandRef<'a> {
    /// Unique among the commands of its aggregate; new ids are derived from it.
    pub id: &'a str,
    /// The name of the command, such as `submit-order`.
    pub name: &'a str,
    /// The JSON that the caller sent. An empty payload counts as `{}`.
    pub payload: &'a [u8],
    /// The time at which the host accepted it, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// The actor who sent it, if the host knows it.
    pub actor: Option<&'a str>,
}

/// A fact to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// The name of the event.
    pub name: &'static str,
    /// The version of its shape, from 1.
    pub version: u32,
    /// The JSON to record.
    pub payload: Vec<u8>,
}

/// A refusal by the domain, for the caller to fix. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The stable, machine-readable code, such as `already-submitted`.
    pub code: Cow<'static, str>,
    /// The message for people.
    pub message: String,
}

impl Rejected {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), message: message.into() }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Rejected {}

/// A failure of the domain itself, for its author to fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The message for the author.
    pub message: String,
}

impl Fault {
    /// A fault with this message: a lower-case fragment that includes the values involved.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// The reason why a command led to no events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// For the caller to fix; the state is unchanged.
    Rejected(Rejected),
    /// For the author to fix. The state may be broken and has to be built again from its events.
    Fault(Fault),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejected) => write!(f, "rejected {rejected}"),
            Self::Fault(fault) => write!(f, "fault: {fault}"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<Rejected> for Refused {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}
