//! The tenants of the host are added, limited, suspended, resumed and removed here. This includes the keys that encrypt
//! their records.

mod administration;
mod answers;
mod keys;
mod living;
mod registry;
mod removal;
mod tenant_error;

pub use administration::TenantAdministration;
pub(crate) use administration::TenantParts;
pub use answers::{DomainRevision, LimitInfo, TenantChanged, TenantInfo};
pub use living::LivingTenants;
pub(crate) use registry::{Tenants, terms};
pub use tenant_error::TenantError;
