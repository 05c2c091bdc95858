//! Queries of domains, of their revisions, and of components. Each is one of its tenant's reads.

use std::sync::Arc;

use polder_core::{DomainName, Revision, TenantName};
use polder_sandbox::COMPONENT_BYTES_MAX;

use super::answers::{DomainInfo, StoredComponent};
use super::facts::DeploymentFact;
use super::revisions::{RevisionInfo, Revisions};
use super::service::DeploymentService;
use crate::control::read_facts;
use crate::read::{HeldList, Patience, ReadError, ReadStop, ReadTurn, storage, tenant_to_read};

impl DeploymentService {
    /// All domains of a tenant with their active revisions and views.
    pub async fn domains(&self, tenant: &TenantName) -> Result<HeldList<DomainInfo>, ReadError> {
        let names = tenant_to_read(&self.parts.directory, tenant)?.domain_names();
        self.domains_named(tenant, names).await
    }

    /// The domains of these names with their active revisions and views, in the given order. Names of domains that the
    /// tenant does not have are skipped.
    pub async fn domains_named(
        &self,
        tenant: &TenantName,
        names: Vec<DomainName>,
    ) -> Result<HeldList<DomainInfo>, ReadError> {
        let tenant = tenant_to_read(&self.parts.directory, tenant)?;
        let (name, projections) = (tenant.name.clone(), Arc::clone(&self.parts.projections));
        let (mut names, mut list) = (names.into_iter(), HeldList::new());
        let work = move |turn: &ReadTurn<'_>| {
            loop {
                turn.check()?;
                let Some(name) = names.next() else { return Ok(std::mem::replace(&mut list, HeldList::new())) };
                let Some(domain) = tenant.domain(&name) else { continue };
                let active = domain.active();
                let projections = projections.info(&tenant.name, &name).map_err(storage)?;
                list.hold(turn, &(active.rules.descriptor(), &projections))?;
                let (revision, descriptor) = (active.revision, active.rules.descriptor().clone());
                list.push(DomainInfo { domain: name, revision, descriptor, projections });
            }
        };
        self.parts.reads.run(&name, Patience::Bounded, work).await
    }

    /// All revisions of a domain, in the order of their deployment.
    pub async fn revisions(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
    ) -> Result<HeldList<RevisionInfo>, ReadError> {
        let tenant = tenant_to_read(&self.parts.directory, tenant)?;
        let unknown = || ReadError::UnknownDomain {
            tenant: tenant.name.clone(),
            domain: domain.clone(),
            known: tenant.domain_names(),
        };
        self.standing(&tenant, domain).ok_or_else(unknown)?;
        let (reader, id) = (self.parts.reader.clone(), DeploymentFact::id_of(&tenant.name, domain));
        let work = move |turn: &ReadTurn<'_>| {
            let mut revisions = Revisions::default();
            read_facts(&reader, &id, &mut revisions).map_err(storage)?;
            let mut list = HeldList::new();
            list.hold(turn, &revisions.list)?;
            list.items = revisions.list;
            Ok(list)
        };
        self.parts.reads.run(&tenant.name, Patience::Bounded, work).await
    }

    /// A component as it was uploaded. The tenant must have the revision, or must have had it.
    pub async fn component(&self, tenant: &TenantName, revision: Revision) -> Result<StoredComponent, ReadError> {
        let known = self.parts.directory.get(tenant);
        let tenant = known.ok_or_else(|| ReadError::UnknownTenant(tenant.clone()))?.name.clone();
        let (service, owner) = (self.clone(), tenant.clone());
        let work = move |turn: &ReadTurn<'_>| service.read_component(turn, &owner, revision);
        self.parts.reads.run(&tenant, Patience::Bounded, work).await
    }

    fn read_component(
        &self,
        turn: &ReadTurn<'_>,
        tenant: &TenantName,
        revision: Revision,
    ) -> Result<StoredComponent, ReadStop> {
        if !self.revisions_of(|owner| owner == tenant).contains(&revision) {
            return Err(ReadError::UnknownRevision { tenant: tenant.clone(), revision }.into());
        }
        let components = &self.parts.components;
        let size_here = components.size_here(revision);
        if size_here.is_none() && !turn.is_slow() {
            // It has to be fetched from other servers, which takes longer than a fast turn.
            return Err(ReadStop::NextTurn);
        }
        // The size of a component that is fetched is known once it is here.
        let mut reserved = turn.reserve(size_here.unwrap_or(COMPONENT_BYTES_MAX as u64))?;
        let bytes = components.uploaded(revision).map_err(storage)?;
        let surplus = (bytes.len() as u64).saturating_sub(reserved.bytes());
        reserved.grow(surplus).map_err(ReadError::MemoryExhausted)?;
        reserved.shrink_to(bytes.len() as u64);
        Ok(StoredComponent { bytes, reserved: Some(reserved) })
    }
}
