//! Why a call of a guest returned no answer, for operators and the guest's author. Each message names the limit or the
//! rule.

use std::fmt;

use polder_core::MemoryExhausted;

use crate::notes::{Note, NoteLevel};

/// A failed call. The handle that was passed by value is consumed; if [`instance_lost`](Self::instance_lost) is set,
/// all handles of the instance are invalid.
#[derive(Debug, Clone)]
pub struct CallError {
    pub kind: CallErrorKind,
    /// Whether the instance has ended. Then every further call fails at once; create a new instance.
    pub instance_lost: bool,
    /// The notes that the guest wrote during the call.
    pub notes: Vec<Note>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The guest reported that it could not do its work.
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
    /// What the command led to exceeds a limit. The caller can send a smaller command; the guest has not failed.
    #[error("{0}")]
    OverLimit(Box<OverLimit>),
    #[error("the domain's code kept more than {handles_max} handles")]
    TooManyHandles { handles_max: usize },
    /// The host as a whole has no memory left. The guest is not at fault, and the call can be tried again.
    #[error("{0}")]
    HostMemory(MemoryExhausted),
    /// The guest answered, but the answer violates the interface.
    #[error("the domain broke the interface: {0}")]
    Misbehaved(String),
    /// The host ended the call, because its answer is not needed any more. This is no fault of the guest.
    #[error("the host ended the call: the host is stopping, or the result is not needed any more")]
    Interrupted,
    /// The host used something that is gone: an instance that has ended, or a handle of another instance.
    #[error("{0}")]
    Gone(&'static str),
}

/// What exceeds a limit, with the limit.
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
    /// The host's own limit that ended the call, in case neither the guest nor its caller is at fault.
    pub fn host_memory(&self) -> Option<&MemoryExhausted> {
        match &self.kind {
            CallErrorKind::HostMemory(exhausted) => Some(exhausted),
            _ => None,
        }
    }

    pub(crate) fn gone(reason: &'static str) -> Self {
        Self { kind: CallErrorKind::Gone(reason), instance_lost: reason == DEAD, notes: Vec::new() }
    }

    /// The last error that the guest noted. After a trap this is its cause, because the SDK notes a panic's message
    /// before it aborts.
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
