//! The domains of which a tenant's history can have events.

use polder_core::{DomainName, TenantName};

use super::Host;
use crate::ReadError;
use crate::system::KINDS;

impl Host {
    /// Checks that the tenant's history can have events of the domain.
    ///
    /// # Errors
    /// Fails when the tenant has no such domain: as long as that is so, its history has no events of it.
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
