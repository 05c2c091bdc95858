//! Where the tenants' secrets are kept: a folder, or a store that several hosts share.

use std::io;

use polder_core::TenantName;

pub(super) const SECRET_BYTES: usize = 32;

/// The secret from which a tenant's keys are derived.
pub type Secret = [u8; SECRET_BYTES];

/// What a store holds for one tenant: its secret, or a description of what is wrong with it.
pub type Kept = Result<Secret, String>;

/// Stores the tenants' secrets. An error means that the store itself has failed; a problem with one tenant's key is in
/// its [`Kept`].
pub trait KeyStore: Send + Sync {
    fn all(&self) -> io::Result<Vec<(TenantName, Kept)>>;

    fn find(&self, tenant: &TenantName) -> io::Result<Option<Kept>>;

    /// Stores a secret, durably when it returns. If the tenant already has a secret, keeps and returns that one.
    fn keep(&self, tenant: &TenantName, secret: &Secret) -> io::Result<Secret>;

    /// Destroys the tenant's secret, so that it cannot be recovered. Does nothing if there is none.
    fn erase(&self, tenant: &TenantName) -> io::Result<()>;

    /// Describes where the tenant's key is kept, for messages.
    fn place(&self, tenant: &TenantName) -> String;
}
