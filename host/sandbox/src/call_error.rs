//! Why a call of a guest gave no answer. For operators and the guest's author: each message names the limit or the rule.

use std::fmt;

use polder_core::MemoryExhausted;

use crate::{Note, NoteLevel};

/// A call that failed. The handle that was passed by value is gone; after [`instance_lost`](Self::instance_lost) all are.
#[derive(Debug, Clone)]
pub struct CallError {
    pub kind: CallErrorKind,
    /// The instance is dead: every further call says so at once. Make a new one.
    pub instance_lost: bool,
    /// What the guest noted during the call.
    pub notes: Vec<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The guest says that it could not do its work.
    #[error("the domain reported a fault: {0}")]
    Fault(String),
    #[error("the domain's code trapped: {0}")]
    Trapped(String),
    #[error("the domain's code used up its fuel of {fuel_max} per call (limit fuel_per_call_max)")]
    OutOfFuel { fuel_max: u64 },
    #[error("the domain's code ran for more than {ms} ms (limit call_wall_ms_max)")]
    OutOfTime { ms: u64 },
    #[error("the domain's code wanted more than {bytes} bytes of memory (limit memory_bytes_max)")]
    OutOfMemory { bytes: u64 },
    #[error(
        "the domain's code answered with more than {bytes_max} bytes (limits event_bytes_max, events_per_command_max and \
         state_bytes_max)"
    )]
    AnswerTooLarge { bytes_max: usize },
    /// What the command led to is larger than a limit allows: the caller's to make smaller, and no failure of the guest.
    #[error("{0}")]
    OverLimit(Box<OverLimit>),
    #[error("the domain's code kept more than {handles_max} handles")]
    TooManyHandles { handles_max: usize },
    /// The host as a whole has no memory left. The guest is not to blame, and the call can be tried again.
    #[error("{0}")]
    HostMemory(MemoryExhausted),
    /// The guest answered, but not as the interface demands.
    #[error("the domain broke the interface: {0}")]
    Misbehaved(String),
    /// The host gave the call up: nobody needs its answer any more. Says nothing about the guest.
    #[error("the host ended the call: it is stopping, or what the call was for is gone")]
    Interrupted,
    /// The host asked for something that is no longer there: a call of a dead instance, or with another instance's handle.
    #[error("{0}")]
    Gone(&'static str),
}

/// What is too large, and the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {actual} {unit}; at most {max} are allowed (limit {limit})")]
pub struct OverLimit {
    pub what: String,
    pub unit: &'static str,
    pub actual: u64,
    pub max: u64,
    /// The limit's name.
    pub limit: &'static str,
}

impl From<OverLimit> for CallErrorKind {
    fn from(over: OverLimit) -> Self {
        Self::OverLimit(Box::new(over))
    }
}

pub(crate) const DEAD: &str = "the instance ended with an earlier call and its states with it";
pub(crate) const STALE: &str = "the handle belongs to another instance";

impl CallError {
    /// The bound of the host that ended the call, when neither the guest nor its caller is to blame.
    pub fn host_memory(&self) -> Option<&MemoryExhausted> {
        match &self.kind {
            CallErrorKind::HostMemory(exhausted) => Some(exhausted),
            _ => None,
        }
    }

    pub(crate) fn gone(reason: &'static str) -> Self {
        Self { kind: CallErrorKind::Gone(reason), instance_lost: reason == DEAD, notes: Vec::new() }
    }

    /// Of a trap, its reason: the SDK notes a panic's message before it aborts.
    fn last_error_noted(&self) -> Option<&str> {
        self.notes.iter().rev().find(|note| note.level == NoteLevel::Error).map(|note| note.message.as_str())
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match (&self.kind, self.last_error_noted()) {
            (CallErrorKind::Trapped(_) | CallErrorKind::OutOfMemory { .. }, Some(note)) => {
                write!(f, "; it noted: {note}")
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for CallError {}
