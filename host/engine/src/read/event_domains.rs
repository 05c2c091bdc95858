//! The domains of which a tenant's history can have events.

use std::sync::Arc;

use polder_core::{AggregateName, DomainName, TenantName};

use super::lookup::tenant_to_read;
use super::read_error::ReadError;
use crate::tenancy::TenantDirectory;

#[derive(Clone)]
pub(super) struct EventDomains {
    directory: Arc<TenantDirectory>,
    /// The domains of the host's own history, each with its aggregate type.
    fact_kinds: &'static [(&'static str, &'static str)],
}

impl EventDomains {
    pub(super) fn new(directory: &Arc<TenantDirectory>, fact_kinds: &'static [(&'static str, &'static str)]) -> Self {
        Self { directory: Arc::clone(directory), fact_kinds }
    }

    /// # Errors
    /// Fails when the tenant has no such domain: as long as that is so, its history has no events of it.
    pub(super) fn check(&self, tenant: &TenantName, domain: &DomainName) -> Result<(), ReadError> {
        let tenant = tenant_to_read(&self.directory, tenant)?;
        let known = if tenant.name == self.directory.system().name {
            self.fact_domains()
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

    /// # Errors
    /// Fails when the host's own history has no such domain, or no such aggregate type in it.
    pub(super) fn check_fact_kind(&self, domain: &DomainName, aggregate: &AggregateName) -> Result<(), ReadError> {
        let Some((_, known)) = self.fact_kinds.iter().find(|(known, _)| *known == domain.as_str()) else {
            let (tenant, domain) = (self.directory.system().name.clone(), domain.clone());
            return Err(ReadError::UnknownDomain { tenant, domain, known: self.fact_domains() });
        };
        if *known != aggregate.as_str() {
            let known = vec![AggregateName::new(known).expect("a good name")];
            return Err(ReadError::UnknownAggregate { domain: domain.clone(), aggregate: aggregate.clone(), known });
        }
        Ok(())
    }

    fn fact_domains(&self) -> Vec<DomainName> {
        self.fact_kinds.iter().map(|(domain, _)| DomainName::new(domain).expect("a good name")).collect()
    }
}
