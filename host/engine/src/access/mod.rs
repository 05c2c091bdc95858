//! The keys that tokens are signed with: which were made known, and which still count. Only their public parts; knows nothing of
//! tokens.

mod facts;

pub(crate) use facts::{KeyFact, Keys};
