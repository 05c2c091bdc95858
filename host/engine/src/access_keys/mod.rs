//! The public keys that access tokens are signed with: which were added, and which are still valid. Knows nothing of
//! tokens.

mod acts;
mod answers;
mod key_error;
mod registry;

pub use acts::AccessKeys;
pub use answers::{AccessKey, Revocation};
pub use key_error::KeyError;
pub(crate) use registry::Keys;
