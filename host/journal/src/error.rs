//! The crate's errors, sorted by what the caller should do next.

use std::io;
use std::path::PathBuf;

use polder_core::TenantName;

use crate::frame_log::LogError;
use crate::{Appended, KeyProblem};

/// The journal cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Stop the other host, or choose another folder.
    #[error("{} is in use by another host", path.display())]
    InUse { path: PathBuf },
    /// Restore a backup, or save the undamaged part with `polder salvage`.
    #[error(
        "the journal is damaged: {} at byte {offset}: {what}; restore a backup, or run `polder salvage` to save what precedes it",
        file.display()
    )]
    Damaged { file: PathBuf, offset: u64, what: String },
    /// Delete the index folder; opening rebuilds it from the journal.
    #[error("the index in {} cannot be used: {what}; delete it: opening rebuilds it", path.display())]
    Index { path: PathBuf, what: String },
    /// Check the machine: permissions, space, hardware.
    #[error("cannot {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
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
}

/// A frame of another writer was not copied. Readers see all frames before it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// The source of the frames has lost or changed something; check it.
    #[error("frame {number} is refused: {what}")]
    Refused { number: u64, what: String },
    /// Try the same frame again once the keys can be stored.
    #[error("frame {number} waits for its tenants' keys")]
    Keys { number: u64, source: io::Error },
    /// Try the same frame again; there may be space or file descriptors by then.
    #[error("there is no room for frame {number} at the moment")]
    NoRoom { number: u64, source: io::Error },
    /// Check this machine's disk. Opening the copy again continues from there, or starts the copy afresh.
    #[error("frame {number} cannot be copied")]
    Copy { number: u64, source: io::Error },
    /// An earlier call failed, with this reason.
    #[error("the copy accepts nothing more: {reason}")]
    Broken { reason: String },
}

/// A durable record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Stop the host and run `polder verify`.
    #[error("the journal is damaged: {} at byte {offset}: {what}", file.display())]
    Damaged { file: PathBuf, offset: u64, what: String },
    /// Stop the host and delete the index folder.
    #[error("the index cannot be used: {what}; stop the host and delete the folder of the index: it is rebuilt")]
    Index { what: String },
    /// Only a backup of the key makes the data readable again.
    #[error("the tenant's key is not there: its data was destroyed, or the key is lost")]
    Sealed,
    #[error("cannot read {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}
