//! Why the index cannot be used. The error is only a text, because the remedy is always the same: the index is built
//! from the journal again.

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct IndexError(pub(crate) String);
