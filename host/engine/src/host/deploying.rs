//! Puts components on a host: checks and compiles, records, activates.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use polder_core::{DomainName, Revision, TenantName};
use polder_sandbox::{Component, Origin, Sandbox};

use super::{Host, Inner, blocking};
use crate::answers::{DeployStatus, Deployed};
use crate::deployments::{Activation, Components, DeploymentFact};
use crate::domain::{Active, Domain};
use crate::guest_rules::GuestRules;
use crate::health::Standing;
use crate::projections::Restore;
use crate::rules::Rules;
use crate::system::{SYSTEM_TENANT, SystemStream};
use crate::tenant::Tenant;
use crate::{DeployError, OpenError, ReadError};

impl Host {
    /// Checks, compiles, records and activates a component. `asked`: refuse unless it describes this domain.
    pub async fn deploy(
        &self,
        tenant: &TenantName,
        component: Bytes,
        asked: Option<&DomainName>,
        actor: Option<&str>,
    ) -> Result<Deployed, DeployError> {
        let tenant = self.inner.tenant_to_deploy(tenant)?;
        let loading = (Arc::clone(&self.inner), component.clone());
        let loaded = blocking(move || {
            let (inner, bytes) = loading;
            inner.components.load(&inner.sandbox, &bytes).map_err(|error| DeployError::Refused(error.to_string()))
        });
        let loaded = loaded.await?;
        let described = &loaded.descriptor.domain;
        if let Some(asked) = asked
            && asked != described
        {
            return Err(DeployError::OtherDomain { described: described.clone(), asked: asked.clone() });
        }
        let actor = actor.map(str::to_owned);
        let act = move |inner: &Arc<Inner>, stream: &mut SystemStream| {
            inner.activate(stream, &tenant, &loaded, &component, actor.as_deref())
        };
        self.inner.administer(act).await
    }

    /// A component as it was uploaded, of a revision that the tenant has or had.
    pub async fn component(&self, tenant: &TenantName, revision: Revision) -> Result<Vec<u8>, ReadError> {
        let tenant = self.tenant(tenant)?.tenant;
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let owned = inner.revisions_of(|owner| *owner == tenant);
            match owned.contains(&revision) {
                true => inner.components.uploaded(revision).map_err(|error| ReadError::Storage(error.to_string())),
                false => Err(ReadError::UnknownRevision { tenant, revision }),
            }
        })
        .await
    }

    /// A component's rules alone, for [`Host::attach`].
    pub fn load(&self, component: &[u8]) -> Result<Arc<dyn Rules>, DeployError> {
        let loaded = self.inner.components.load(&self.inner.sandbox, component);
        Ok(Arc::new(GuestRules(loaded.map_err(|error| DeployError::Refused(error.to_string()))?)))
    }

    /// Puts rules in place without recording it and without projections: for benchmarks of the write side alone, and for
    /// the native floor they compare with.
    pub fn attach(&self, tenant: &TenantName, rules: Arc<dyn Rules>) -> Result<(), DeployError> {
        let tenant = self.inner.tenant_to_deploy(tenant)?;
        put_in_place(&tenant, rules, Standing::Attached);
        Ok(())
    }
}

impl Inner {
    fn tenant_to_deploy(&self, name: &TenantName) -> Result<Arc<Tenant>, DeployError> {
        self.tenant(name).ok_or_else(|| match name.as_str() {
            SYSTEM_TENANT => DeployError::SystemTenant,
            _ => DeployError::UnknownTenant(name.clone()),
        })
    }

    /// Records the activation, then puts it in place.
    fn activate(
        &self,
        stream: &mut SystemStream,
        tenant: &Arc<Tenant>,
        component: &Arc<Component>,
        bytes: &[u8],
        actor: Option<&str>,
    ) -> Result<Deployed, DeployError> {
        let (domain, revision) = (component.descriptor.domain.clone(), component.revision);
        let previous = tenant.domain(&domain).map(|domain| domain.active().revision);
        let checks = checks_of(component);
        if previous == Some(revision) {
            return Ok(Deployed { status: DeployStatus::AlreadyActive, domain, revision, previous, checks });
        }
        let stored = self.components.store(revision, bytes);
        stored.map_err(|error| DeployError::Storage(error.to_string()))?;
        let fact = DeploymentFact::RevisionActivated { tenant: tenant.name.clone(), domain: domain.clone(), revision };
        let recorded = self.record(stream, &self.deployments, fact, actor);
        recorded.map_err(|error| DeployError::ReadOnly(error.to_string()))?;
        self.put_in_place(tenant, component, Standing::New).map_err(DeployError::Storage)?;
        Ok(Deployed { status: DeployStatus::Activated, domain, revision, previous, checks })
    }

    /// At start: what was active is active again.
    pub(super) fn restore_all(&self) -> Result<(), OpenError> {
        let active: Vec<_> = self.deployments.lock().unwrap_or_else(PoisonError::into_inner).active().collect();
        active.into_iter().try_for_each(|activation| self.restore(activation))
    }

    fn restore(&self, activation: Activation) -> Result<(), OpenError> {
        let Activation { tenant, domain, revision } = activation;
        let failed =
            |problem: String| OpenError::Revision { tenant: tenant.clone(), domain: domain.clone(), revision, problem };
        // Removed since then.
        let Some(owner) = self.tenant(&tenant) else { return Ok(()) };
        let component = self.components.restore(&self.sandbox, revision).map_err(|error| failed(error.to_string()))?;
        put_in_place(&owner, Arc::new(GuestRules(Arc::clone(&component))), Standing::Proven);
        self.projections.expect(&owner, &component);
        Ok(())
    }

    fn put_in_place(&self, tenant: &Arc<Tenant>, component: &Arc<Component>, standing: Standing) -> Result<(), String> {
        put_in_place(tenant, Arc::new(GuestRules(Arc::clone(component))), standing);
        self.projections.activate(tenant, component).map_err(|error| error.to_string())
    }
}

/// For views that live until those of the next revision have caught up.
pub(super) fn old_revisions(sandbox: &Arc<Sandbox>, components: &Arc<Components>) -> Arc<Restore> {
    let (sandbox, components) = (Arc::clone(sandbox), Arc::clone(components));
    Arc::new(move |revision| match components.restore(&sandbox, revision) {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(%revision, %error, "an old revision cannot be loaded; its views stand still until they are rebuilt");
            None
        }
    })
}

/// What the sandbox made sure of before the component was let in.
fn checks_of(component: &Component) -> Vec<String> {
    let descriptor = &component.descriptor;
    let code = match &component.origin {
        Origin::Compiled => "compiled".to_owned(),
        Origin::CompiledUncached(problem) => format!("compiled, not kept for the next start: {problem}"),
        Origin::Cached => "compiled before".to_owned(),
    };
    vec![
        "imports nothing but polder:domain/diagnostics".to_owned(),
        "exports the world polder:domain/domain".to_owned(),
        format!(
            "describes {} and {}",
            counted(descriptor.aggregates.len(), "aggregate"),
            counted(descriptor.projections.len(), "projection")
        ),
        code,
    ]
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn put_in_place(tenant: &Tenant, rules: Arc<dyn Rules>, standing: Standing) {
    let name = rules.descriptor().domain.clone();
    let active = Active::new(&tenant.name, rules, standing);
    match tenant.domain(&name) {
        Some(domain) => domain.activate(active),
        None => tenant.insert(Domain::new(name, active)),
    }
}
