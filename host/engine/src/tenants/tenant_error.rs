//! The reasons why a tenant is not added, changed or removed.

use polder_core::TenantName;

/// The reason why a tenant was not added, changed or removed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TenantError {
    #[error("there is no tenant {0:?} here")]
    Unknown(TenantName),
    #[error("{0:?} is reserved: give the tenant another name")]
    Reserved(TenantName),
    #[error("tenant {0:?} was removed, and its name is never used again: give the tenant another name")]
    Removed(TenantName),
    #[error("removing tenant {tenant:?} destroys all it has: give its name again to confirm, not {given:?}")]
    Unconfirmed { tenant: TenantName, given: String },
    #[error("the host takes no changes: {0}")]
    ReadOnly(String),
    #[error("the host cannot keep the tenant's data: {0}")]
    Storage(String),
}

/// The reason why a tenant's data could not be deleted. The host tries again at its next start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EraseError {
    #[error("cannot remove its files: {0}")]
    Files(#[from] std::io::Error),
    #[error("cannot remove its saved states: {0}")]
    Journal(#[from] polder_journal::ReadError),
}
