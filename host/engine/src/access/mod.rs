//! The public keys that access tokens are signed with: which were added, and which are still valid. Knows nothing of
//! tokens.

mod facts;

pub(crate) use facts::{KeyFact, Keys};
