//! Finds the tenant and the domain that a query is about.

use std::sync::Arc;

use arc_swap::Guard;
use polder_core::{DomainName, TenantName};

use super::read_error::ReadError;
use crate::tenancy::{Active, Tenant, TenantDirectory, Unloadable};

/// A domain with its active revision.
pub(crate) struct Found {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) active: Arc<Active>,
}

/// A tenant whose records can be read. The tenant of the host's own history is one.
pub(crate) fn tenant_to_read(directory: &TenantDirectory, name: &TenantName) -> Result<Arc<Tenant>, ReadError> {
    if *name == directory.system().name {
        return Ok(Arc::clone(directory.system()));
    }
    let tenant = directory.get(name).ok_or_else(|| ReadError::UnknownTenant(name.clone()))?;
    match tenant.unavailable() {
        Some(_) => Err(ReadError::TenantUnavailable(name.clone())),
        None => Ok(tenant),
    }
}

/// # Errors
/// Fails if the tenant has no such domain, or if the domain is out of service.
pub(crate) fn find_domain(
    directory: &TenantDirectory,
    tenant: &TenantName,
    domain: &DomainName,
) -> Result<Found, ReadError> {
    let tenant = tenant_to_read(directory, tenant)?;
    if tenant.name == directory.system().name {
        return Err(ReadError::SystemTenant);
    }
    let Some(found) = tenant.domain(domain) else {
        if let Some(Unloadable { revision, reason, .. }) = tenant.unloadable(domain) {
            return Err(ReadError::DomainUnavailable { domain: domain.clone(), revision, reason });
        }
        let (name, known) = (tenant.name.clone(), tenant.domain_names());
        return Err(ReadError::UnknownDomain { tenant: name, domain: domain.clone(), known });
    };
    Ok(Found { active: Guard::into_inner(found.active()), tenant })
}
