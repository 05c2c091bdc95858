//! The names of the tenants that every host has.

use polder_core::TenantName;

/// The tenant of the host's own history. No other tenant can have this name.
pub const SYSTEM_TENANT: &str = "system";

/// The tenant that exists at the first start. All other tenants are added by an administrator.
pub const MAIN_TENANT: &str = "main";

pub(crate) fn system_tenant() -> TenantName {
    TenantName::new(SYSTEM_TENANT).expect("a good name")
}
