//! How views get the component of a former revision.

use std::sync::Arc;

use polder_core::Revision;
use polder_sandbox::Component;

/// Loads the component of a revision, if it is still available.
pub(crate) type Restore = dyn Fn(Revision) -> Option<Arc<Component>> + Send + Sync;
