//! The outcome of an append: what became durable, and why the rest did not.

use std::io;

use polder_core::{Position, TenantName};

use crate::frame_log::LogError;
use crate::keyring::KeyProblem;
use crate::segments::active::WriteError;

/// What an append made durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended {
    /// The tenant's position after each record, in the order of the records.
    pub last_positions: Vec<Position>,
    pub frames: u64,
    /// Total size of the frames.
    pub bytes: u64,
}

/// The append failed.
/// 1. After [`NoRoom`](Self::NoRoom) and [`Key`](Self::Key) it is known what is durable, and the writer can be used on.
/// 2. After all others it is unknown what is durable. Acknowledge none of the records, stop taking commands, and open
///    the journal again; this writer accepts nothing more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Wait for space or file descriptors, and try again. `appended` holds what became durable before the error: the
    /// first records. Nothing else of the append is in the journal.
    #[error("cannot {what} at the moment")]
    NoRoom { appended: Box<Appended>, what: &'static str, source: io::Error },
    /// The same as `NoRoom`, until the operator has restored the tenant's key.
    #[error("nothing of tenant {tenant} can be sealed: {problem}")]
    Key { appended: Box<Appended>, tenant: TenantName, problem: KeyProblem },
    #[error("cannot {what}")]
    Io { what: &'static str, source: io::Error },
    #[error("the index could not be brought up to date: {what}")]
    Index { what: String },
    /// The log that keeps the journal did not confirm a frame.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An earlier append failed. A failed write or sync is never repeated.
    #[error("the journal accepts nothing more, because an append failed: {reason}")]
    Poisoned { reason: String },
}

impl AppendError {
    /// Whether it is certain that none of the records is durable. Otherwise some of them may be found when the journal
    /// is opened again.
    pub fn is_nothing_written(&self) -> bool {
        matches!(self, Self::Index { .. } | Self::Poisoned { .. })
    }

    /// The error for a frame that is not in the segments, or only in part.
    pub(super) fn not_written(what: &'static str, error: WriteError) -> Self {
        match error {
            WriteError::NoRoom(source) => Self::no_room(what, source),
            WriteError::Unsure(source) => Self::Io { what, source },
        }
    }

    /// The error for an append of which nothing is durable yet; [`AppendError::with_appended`] adds what is.
    pub(super) fn no_room(what: &'static str, source: io::Error) -> Self {
        Self::NoRoom { appended: Box::default(), what, source }
    }

    /// Adds what became durable before the error.
    pub(super) fn with_appended(self, durable: Appended) -> Self {
        match self {
            Self::NoRoom { what, source, .. } => Self::NoRoom { appended: Box::new(durable), what, source },
            Self::Key { tenant, problem, .. } => Self::Key { appended: Box::new(durable), tenant, problem },
            other => other,
        }
    }

    /// The error with its source, because later errors report only this text.
    pub(super) fn with_source(&self) -> String {
        match self {
            Self::Io { what, source } => format!("cannot {what}: {source}"),
            Self::Log(LogError::Unavailable { source, .. }) => format!("{self}: {source}"),
            other => other.to_string(),
        }
    }
}
