//! Which domains a tenant's history can have events of.

use polder_core::{DomainName, TenantName};

use super::Host;
use crate::ReadError;
use crate::system::KINDS;

impl Host {
    /// # Errors
    /// When the tenant has no such domain: its history has no event of it, and never will while that stays so.
    pub fn check_event_domain(&self, tenant: &TenantName, domain: &DomainName) -> Result<(), ReadError> {
        let tenant = self.inner.tenant_to_read(tenant)?;
        let known: Vec<DomainName> = if tenant.name == self.inner.system.name {
            KINDS.iter().map(|(domain, _)| DomainName::new(domain).expect("a good name")).collect()
        } else {
            if tenant.domain(domain).is_some() {
                return Ok(());
            }
            tenant.domain_names()
        };
        if known.contains(domain) {
            return Ok(());
        }
        Err(ReadError::UnknownDomain { tenant: tenant.name.clone(), domain: domain.clone(), known })
    }
}
