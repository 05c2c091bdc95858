//! What goes in and out of a domain, as bytes: the same shapes as in the interface, without WebAssembly.

use std::borrow::Cow;
use std::fmt;

/// A recorded event, borrowed from whoever holds it. It never changes.
#[derive(Debug, Clone, Copy)]
pub struct EventRef<'a> {
    /// Place in the tenant's history, from 1, gapless.
    pub position: u64,
    /// The kind of aggregate it happened to: `order`.
    pub aggregate: &'a str,
    /// Which one of them.
    pub aggregate_id: &'a str,
    /// Place in that aggregate's own history, from 1, gapless.
    pub sequence: u64,
    /// Which event: `order-submitted`.
    pub name: &'a str,
    /// The version it was recorded in, from 1; maybe not the newest.
    pub version: u32,
    /// JSON, as it was recorded.
    pub payload: &'a [u8],
    /// The `at_ms` of the command that caused it.
    pub at_ms: u64,
}

/// A request to one aggregate, borrowed from whoever holds it.
#[derive(Debug, Clone, Copy)]
pub struct CommandRef<'a> {
    /// Unique among the commands of its aggregate; new ids are derived from it.
    pub id: &'a str,
    /// Which command: `submit-order`.
    pub name: &'a str,
    /// JSON, as the caller sent it. No bytes at all count as `{}`.
    pub payload: &'a [u8],
    /// When the host accepted it, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// Who asks, where the host knows it.
    pub actor: Option<&'a str>,
}

/// A fact to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEvent {
    /// Which event.
    pub name: &'static str,
    /// The version of its shape, from 1.
    pub version: u32,
    /// JSON.
    pub payload: Vec<u8>,
}

/// The domain said no: the caller's to fix. Nothing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Stable and machine-readable: `already-submitted`.
    pub code: Cow<'static, str>,
    /// For people.
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

/// The domain could not do its work: its author's to fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// For the author.
    pub message: String,
}

impl Fault {
    /// A fault with this message: a lower-case fragment with the values involved.
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

/// Why a command gave no events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The caller's to fix; the state is as it was.
    Rejected(Rejected),
    /// The author's to fix; the state may be broken and has to be built anew. In the component this is a trap.
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
