//! The reasons why a revision check ends without a verdict.

use polder_core::MemoryExhausted;
use polder_journal::ReadError;

/// The reason why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    #[error(transparent)]
    Journal(#[from] ReadError),
    #[error(transparent)]
    Memory(#[from] MemoryExhausted),
    #[error("the host is shutting down")]
    Stopping,
}
