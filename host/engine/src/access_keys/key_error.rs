//! The reasons why the list of access keys is not changed.

use polder_core::AggregateId;

/// The reason why a key was not added or revoked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    #[error("key {0:?} is known already: a key can be added once, and a revoked key stays revoked")]
    Known(AggregateId),
    #[error("there is no key {0:?} here")]
    Unknown(AggregateId),
    #[error("the host takes no changes: {0}")]
    ReadOnly(String),
}
