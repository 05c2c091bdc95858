//! What can go wrong, sorted by what the reader should do next.

use std::io;
use std::path::PathBuf;

use polder_core::TenantName;

use crate::frame_log::LogError;
use crate::{Appended, KeyProblem};

/// The journal cannot be opened; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Stop the other host, or choose another folder.
    #[error("{} is in use by another host", path.display())]
    InUse { path: PathBuf },
    /// Restore a copy, or save what can be saved.
    #[error(
        "the journal is damaged: {} at byte {offset}: {what}; restore a copy, or run `polder salvage` to save what lies before",
        file.display()
    )]
    Damaged { file: PathBuf, offset: u64, what: String },
    /// Delete the index folder: it is built again from the journal.
    #[error("the index in {} cannot be used: {what}; it can be deleted, opening builds it again", path.display())]
    Index { path: PathBuf, what: String },
    /// Look at the machine: permissions, space, hardware.
    #[error("cannot {what} {}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

/// The append did not happen. After [`NoRoom`](Self::NoRoom) and [`Key`](Self::Key) it is known what is durable, and the writer can be used on. After
/// all others nobody may say what is: nothing of it may be acknowledged, and the writer is of no use any more: stop taking commands, open
/// again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Wait for space or file descriptors, and try again. `appended` is what became durable before: the records at the front. Nothing else of
    /// the append is in the journal.
    #[error("cannot {what} at the moment")]
    NoRoom { appended: Box<Appended>, what: &'static str, source: io::Error },
    /// As for `NoRoom`, until the operator has restored the tenant's key.
    #[error("nothing of tenant {tenant} can be sealed: {problem}")]
    Key { appended: Box<Appended>, tenant: TenantName, problem: KeyProblem },
    #[error("cannot {what}")]
    Io { what: &'static str, source: io::Error },
    #[error("the index could not be brought up to date: {what}")]
    Index { what: String },
    /// The log that keeps the journal did not take a frame.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An earlier append failed; a failed write or sync is never tried again.
    #[error("the journal takes nothing more since an append failed: {reason}")]
    Poisoned { reason: String },
}

impl AppendError {
    /// Whether it is certain that nothing of the records was made durable. Otherwise some of them may be found at the next opening.
    pub fn is_nothing_written(&self) -> bool {
        matches!(self, Self::Index { .. } | Self::Poisoned { .. })
    }
}

/// A frame of another writer's was not taken over; readers see all that were before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FollowError {
    /// Something was lost or changed where the frames come from: look there.
    #[error("frame {number} is refused: {what}")]
    Refused { number: u64, what: String },
    /// Try the same frame again.
    #[error("frame {number} waits for its tenants' keys")]
    Keys { number: u64, source: io::Error },
    /// Try the same frame again: there may be space or file descriptors by then.
    #[error("there is no room for frame {number} at the moment")]
    NoRoom { number: u64, source: io::Error },
    /// Look at this machine's disk; opening again goes on from there, or makes the copy anew.
    #[error("frame {number} cannot be copied")]
    Copy { number: u64, source: io::Error },
    /// As it was told before.
    #[error("the copy takes nothing more: {reason}")]
    Broken { reason: String },
}

/// Something durable could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// Stop the host and run `polder verify`.
    #[error("the journal is damaged: {} at byte {offset}: {what}", file.display())]
    Damaged { file: PathBuf, offset: u64, what: String },
    /// Stop the host and delete the index folder.
    #[error("the index cannot be used: {what}; stop the host and delete the folder of the index: it is made again")]
    Index { what: String },
    /// Nothing brings it back, unless there is a copy of the key.
    #[error("the tenant's key is not there: its data was destroyed, or the key is lost")]
    Sealed,
    #[error("cannot read {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}
