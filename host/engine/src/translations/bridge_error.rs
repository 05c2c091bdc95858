//! The reasons why the rules of a context bridge are not set.

use polder_core::TenantName;
use polder_core::translation::RulesError;

/// The reason why the rules of a context bridge were not set.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BridgeError {
    #[error("there is no tenant {0:?} here")]
    UnknownTenant(TenantName),
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error("the host takes no changes: {0}")]
    ReadOnly(String),
}
