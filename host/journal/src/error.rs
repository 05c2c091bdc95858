//! Why a journal cannot be opened, and why a record cannot be read, sorted by what the caller should do next.

use std::io;
use std::path::PathBuf;

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
    /// The records are encrypted, and the keyring has no key for them. Only a backup of the key makes them readable
    /// again.
    #[error("the tenant's key is not there: its data was destroyed, or the key is lost")]
    Sealed,
    #[error("cannot read {}", path.display())]
    Io { path: PathBuf, source: io::Error },
}
