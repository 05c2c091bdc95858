//! Queries of domains, of their revisions, and of components.

use std::sync::Arc;

use polder_core::{DomainName, Revision, TenantName};

use super::answers::DomainInfo;
use super::facts::DeploymentFact;
use super::revisions::{RevisionInfo, Revisions};
use super::service::DeploymentService;
use crate::control::read_facts;
use crate::joined::blocking;
use crate::read::{ReadError, storage, tenant_to_read};
use crate::tenancy::Domain;

impl DeploymentService {
    /// The domains of a tenant with their active revisions and views.
    pub async fn domains(&self, tenant: &TenantName) -> Result<Vec<DomainInfo>, ReadError> {
        let tenant = tenant_to_read(&self.parts.directory, tenant)?;
        let projections = Arc::clone(&self.parts.projections);
        let domains = tenant.domains();
        let info = move |domain: Arc<Domain>| {
            let active = domain.active();
            Ok(DomainInfo {
                domain: domain.name.clone(),
                revision: active.revision,
                descriptor: active.rules.descriptor().clone(),
                projections: projections.info(&tenant.name, &domain.name).map_err(storage)?,
            })
        };
        blocking(move || domains.into_iter().map(info).collect()).await
    }

    /// All revisions of a domain, in the order of their deployment.
    pub async fn revisions(&self, tenant: &TenantName, domain: &DomainName) -> Result<Vec<RevisionInfo>, ReadError> {
        let tenant = tenant_to_read(&self.parts.directory, tenant)?;
        let unknown = || ReadError::UnknownDomain {
            tenant: tenant.name.clone(),
            domain: domain.clone(),
            known: tenant.domain_names(),
        };
        self.standing(&tenant, domain).ok_or_else(unknown)?;
        let (reader, id) = (self.parts.reader.clone(), DeploymentFact::id_of(&tenant.name, domain));
        let revisions = blocking(move || {
            let mut revisions = Revisions::default();
            read_facts(&reader, &id, &mut revisions).map(|()| revisions.list)
        });
        revisions.await.map_err(|error| ReadError::Storage(error.to_string()))
    }

    /// A component as it was uploaded. The tenant must have the revision, or must have had it.
    pub async fn component(&self, tenant: &TenantName, revision: Revision) -> Result<Vec<u8>, ReadError> {
        let known = self.parts.directory.get(tenant);
        let tenant = known.ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))?.name.clone();
        let service = self.clone();
        blocking(move || {
            let owned = service.revisions_of(|owner| *owner == tenant);
            match owned.contains(&revision) {
                true => {
                    service.parts.components.uploaded(revision).map_err(|error| ReadError::Storage(error.to_string()))
                }
                false => Err(ReadError::UnknownRevision { tenant, revision }),
            }
        })
        .await
    }
}
