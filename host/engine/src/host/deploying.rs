//! Deploys components, and rolls back to earlier revisions.

use std::sync::{Arc, PoisonError};

use polder_core::{DomainName, Revision, TenantName};
use polder_sandbox::{Component, Sandbox};

use super::taking_over::{Takeover, Why};
use super::{Host, Inner, blocking, joined};
use crate::answers::Deployed;
use crate::deployments::{
    Activation, CompileError, ComponentError, Components, DeployOptions, DeploymentFact, DomainDeployments,
    GateOptions, RevisionInfo, Revisions, RollBackOptions, StopOnDrop, Upload, UploadError, Uploaded,
};
use crate::domain::{Active, Domain};
use crate::guest_rules::GuestRules;
use crate::health;
use crate::in_flight::Drained;
use crate::pipeline::PreparedInstances;
use crate::projections::{Asked, Restore};
use crate::revision_check::{GateRefusal, Verdict};
use crate::rules::Rules;
use crate::system::{SYSTEM_TENANT, read_facts};
use crate::tenant::{Tenant, Unloadable};
use crate::{DeployError, ReadError};

/// A component that is checked and compiled, but not deployed yet.
pub struct Described {
    component: Arc<Component>,
    uploaded: Uploaded,
}

impl Described {
    pub fn domain(&self) -> &DomainName {
        &self.component.descriptor.domain
    }
}

impl Host {
    /// Begins an upload of a component for the tenant. Does not check whether the tenant exists.
    pub fn begin_upload(&self, tenant: &TenantName) -> Result<Upload, UploadError> {
        self.inner.components.begin_upload(tenant)
    }

    /// Checks and compiles a component. When the returned future is dropped, the compiler stops.
    ///
    /// A refusal is recorded if the component was meant for an existing domain, except in a dry run.
    pub async fn described(
        &self,
        tenant: &TenantName,
        uploaded: Uploaded,
        options: &DeployOptions,
    ) -> Result<Described, DeployError> {
        let tenant = self.inner.tenant_to_deploy(tenant)?;
        let stop = StopOnDrop(self.inner.components.new_stop());
        let (inner, name, component, seen) =
            (Arc::clone(&self.inner), tenant.name.clone(), uploaded.clone(), stop.0.clone());
        let loaded = blocking(move || inner.components.load(&inner.sandbox, Some(&name), &component, &seen)).await;
        let error = match loaded {
            Ok(component) => return Ok(Described { component, uploaded }),
            Err(error) => error,
        };
        if matches!(error, CompileError::Refused(_) | CompileError::Limit { .. }) {
            self.inner.not_admitted(&tenant, options, uploaded.revision(), error.to_string()).await?;
        }
        Err(error.into())
    }

    /// Checks and compiles a component, checks it against the tenant's history, records it and activates it. Once it is
    /// compiled, the deployment runs to its end even if the caller goes away.
    pub async fn deploy(
        &self,
        tenant: &TenantName,
        component: Uploaded,
        options: DeployOptions,
    ) -> Result<Deployed, DeployError> {
        let described = self.described(tenant, component, &options).await?;
        self.deploy_described(tenant, described, options).await
    }

    /// Like [`deploy`](Self::deploy), for a component that is compiled already.
    pub async fn deploy_described(
        &self,
        tenant: &TenantName,
        described: Described,
        options: DeployOptions,
    ) -> Result<Deployed, DeployError> {
        let (inner, tenant) = (Arc::clone(&self.inner), self.inner.tenant_to_deploy(tenant)?);
        joined(tokio::spawn(async move { inner.deploy(tenant, described, options).await })).await
    }

    /// Activates a former revision again. It must pass the gate like any other revision.
    pub async fn roll_back(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        options: RollBackOptions,
    ) -> Result<Deployed, DeployError> {
        let (inner, tenant) = (Arc::clone(&self.inner), self.inner.tenant_to_deploy(tenant)?);
        let domain = domain.clone();
        joined(tokio::spawn(async move { inner.roll_back(tenant, domain, options).await })).await
    }

    /// All revisions of a domain, in the order of their deployment.
    pub async fn revisions(&self, tenant: &TenantName, domain: &DomainName) -> Result<Vec<RevisionInfo>, ReadError> {
        let tenant = self.inner.tenant_to_read(tenant)?;
        let unknown = || ReadError::UnknownDomain {
            tenant: tenant.name.clone(),
            domain: domain.clone(),
            known: tenant.domain_names(),
        };
        self.inner.standing(&tenant, domain).ok_or_else(unknown)?;
        let (reader, id) = (self.inner.reader.clone(), DeploymentFact::id_of(&tenant.name, domain));
        let revisions = blocking(move || {
            let mut revisions = Revisions::default();
            read_facts(&reader, &id, &mut revisions).map(|()| revisions.list)
        });
        revisions.await.map_err(|error| ReadError::Storage(error.to_string()))
    }

    /// A component as it was uploaded. The tenant must have the revision, or must have had it.
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

    /// Compiles a component and returns only its rules, for [`Host::attach`].
    pub fn load(&self, component: &[u8]) -> Result<Arc<dyn Rules>, DeployError> {
        let components = &self.inner.components;
        let component = Uploaded::from(component.to_vec());
        let loaded = components.load(&self.inner.sandbox, None, &component, &components.new_stop())?;
        Ok(Arc::new(GuestRules::new(loaded, Arc::clone(&self.inner.system.notes))))
    }

    /// Activates rules without recording them and without projections, for benchmarks of the write side and for the
    /// native rules that they are compared with.
    pub fn attach(&self, tenant: &TenantName, rules: Arc<dyn Rules>) -> Result<(), DeployError> {
        let tenant = self.inner.tenant_to_deploy(tenant)?;
        put_in_place(&tenant, rules, health::Probation::Attached, PreparedInstances::default());
        Ok(())
    }
}

impl Inner {
    async fn deploy(
        self: &Arc<Self>,
        tenant: Arc<Tenant>,
        described: Described,
        options: DeployOptions,
    ) -> Result<Deployed, DeployError> {
        let DeployOptions { gate, domain: asked, release_quarantine } = options;
        let domain = described.domain();
        if let Some(asked) = asked
            && asked != *domain
        {
            return Err(DeployError::OtherDomain { described: domain.clone(), asked });
        }
        let _turn = self.turns.take(&tenant.name, domain).await;
        let Described { component, uploaded } = described;
        let why = Why::Deployed { uploaded, release_quarantine };
        self.take_over(Takeover { tenant, component, why, gate }).await
    }

    async fn roll_back(
        self: &Arc<Self>,
        tenant: Arc<Tenant>,
        domain: DomainName,
        options: RollBackOptions,
    ) -> Result<Deployed, DeployError> {
        let _turn = self.turns.take(&tenant.name, &domain).await;
        let RollBackOptions { gate, to } = options;
        let target = self.target_of(&tenant, &domain, to.as_deref())?;
        let component = self.restored(target).await?;
        let why = Why::RolledBack { cause: "asked for".into(), is_withdrawn: false };
        self.take_over(Takeover { tenant, component, why, gate }).await
    }

    /// Withdraws a bad revision: the domain goes back to the revision before, and the bad one is quarantined. Does
    /// nothing if another revision is active by now.
    pub(crate) async fn withdraw(
        self: &Arc<Self>,
        tenant: Arc<Tenant>,
        domain: &DomainName,
        bad: Revision,
        cause: String,
    ) -> Result<Option<Deployed>, DeployError> {
        let _turn = self.turns.take(&tenant.name, domain).await;
        if tenant.domain(domain).is_none_or(|domain| domain.active().revision != bad) {
            return Ok(None);
        }
        let target = self.target_of(&tenant, domain, None)?;
        let component = self.restored(target).await?;
        // The states that the bad revision computed need not be preserved, but the events that it recorded must be
        // readable.
        let gate = GateOptions { actor: Some("polder".into()), accept_changes: true, ..GateOptions::default() };
        let why = Why::RolledBack { cause, is_withdrawn: true };
        self.take_over(Takeover { tenant, component, why, gate }).await.map(Some)
    }

    fn target_of(&self, tenant: &Tenant, domain: &DomainName, to: Option<&str>) -> Result<Revision, DeployError> {
        let standing = self.standing(tenant, domain).ok_or_else(|| DeployError::UnknownDomain {
            tenant: tenant.name.clone(),
            domain: domain.clone(),
            known: tenant.domain_names(),
        })?;
        let Some(digits) = to else {
            return standing.before().ok_or_else(|| DeployError::NothingBefore { domain: domain.clone() });
        };
        let like = standing.activated_like(digits);
        match (like.first(), like.len()) {
            (Some(only), 1) => Ok(*only),
            (_, found) => {
                let (domain, asked) = (domain.clone(), digits.to_owned());
                Err(DeployError::UnknownRevision { domain, asked, found })
            }
        }
    }

    async fn restored(self: &Arc<Self>, revision: Revision) -> Result<Arc<Component>, DeployError> {
        let inner = Arc::clone(self);
        let restored = blocking(move || inner.components.restore(&inner.sandbox, revision)).await;
        restored.map_err(|error| DeployError::Storage(error.to_string()))
    }

    /// Records the refusal of a component that is not valid, if it was meant for an existing domain.
    async fn not_admitted(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        options: &DeployOptions,
        revision: Revision,
        problem: String,
    ) -> Result<(), DeployError> {
        let DeployOptions { gate, domain, .. } = options;
        let is_known = |domain: &&DomainName| !gate.dry_run && self.standing(tenant, domain).is_some();
        let Some(domain) = domain.as_ref().filter(is_known).cloned() else { return Ok(()) };
        let verdict = Verdict { refusals: vec![GateRefusal::NotAdmitted { problem }], ..Verdict::default() };
        let fact = DeploymentFact::RevisionRefused { tenant: tenant.name.clone(), domain, revision, verdict };
        self.record_all(vec![fact], gate.actor.clone()).await
    }

    pub(super) async fn record_all(
        self: &Arc<Self>,
        facts: Vec<DeploymentFact>,
        actor: Option<String>,
    ) -> Result<(), DeployError> {
        let recorded = self.administer(move |inner, stream| {
            facts.into_iter().try_for_each(|fact| inner.record(stream, &inner.deployments, fact, actor.as_deref()))
        });
        recorded.await.map_err(|error| DeployError::ReadOnly(error.to_string()))
    }

    /// Quarantines an active revision that has no predecessor. It stays active but takes no commands, even after a
    /// restart.
    pub(super) async fn quarantine_active(
        self: &Arc<Self>,
        tenant: &Tenant,
        domain: &DomainName,
        revision: Revision,
        cause: String,
    ) -> Result<(), DeployError> {
        let _turn = self.turns.take(&tenant.name, domain).await;
        if tenant.domain(domain).is_none_or(|domain| domain.active().revision != revision) {
            return Ok(());
        }
        let (tenant, domain) = (tenant.name.clone(), domain.clone());
        self.record_all(vec![DeploymentFact::RevisionQuarantined { tenant, domain, revision, cause }], None).await?;
        self.forget_snapshots();
        Ok(())
    }

    pub(super) fn standing(&self, tenant: &Tenant, domain: &DomainName) -> Option<DomainDeployments> {
        let deployments = self.deployments.lock().unwrap_or_else(PoisonError::into_inner);
        deployments.standing(&tenant.name, domain).cloned()
    }

    fn tenant_to_deploy(&self, name: &TenantName) -> Result<Arc<Tenant>, DeployError> {
        let tenant = self.tenant(name).ok_or_else(|| match name.as_str() {
            SYSTEM_TENANT => DeployError::SystemTenant,
            _ => DeployError::UnknownTenant(name.clone()),
        })?;
        match tenant.unavailable() {
            Some(_) => Err(DeployError::TenantUnavailable(name.clone())),
            None => Ok(tenant),
        }
    }

    /// Activates a revision that is recorded as active, unless it is active already. If its component cannot be loaded,
    /// the domain is out of service.
    pub(super) fn restore(&self, activation: Activation) {
        let Activation { tenant, domain, revision } = activation;
        // The tenant was removed since then, or its records cannot be read.
        let Some(owner) = self.tenant(&tenant).filter(|owner| owner.unavailable().is_none()) else { return };
        let active = owner.domain(&domain).map(|domain| domain.active().revision);
        if active != Some(revision) {
            let was_out = owner.unloadable(&domain).is_some();
            let component = match self.components.restore(&self.sandbox, revision) {
                Ok(component) => component,
                Err(error) => return not_loaded(&owner, &domain, revision, &error),
            };
            let rules = Arc::new(GuestRules::new(Arc::clone(&component), Arc::clone(&owner.notes)));
            put_in_place(&owner, rules, health::Probation::Proven, PreparedInstances::default());
            if was_out {
                tracing::info!(%tenant, %domain, %revision, "a domain is back in service: its component is loaded now");
            }
            match active {
                None => self.projections.expect(&owner, &component),
                Some(_) => {
                    if let Err(problem) = self.build_views(&owner, &component, None) {
                        tracing::error!(%tenant, %domain, problem, "the views of a new revision cannot be built; the host will try again");
                    }
                }
            }
        }
        let cause = self.standing(&owner, &domain).and_then(|mut standing| standing.quarantined.remove(&revision));
        if let (Some(cause), Some(domain)) = (cause, owner.domain(&domain)) {
            domain.active().health.shut(&cause);
        }
    }

    /// Builds the projections of a new revision. Until they are built, readers see those of the revision before.
    /// Projections that exist already are not built again.
    pub(super) fn build_views(
        &self,
        tenant: &Arc<Tenant>,
        component: &Arc<Component>,
        asked: Option<Asked>,
    ) -> Result<(), String> {
        self.projections.activate(tenant, component, asked).map_err(|error| error.to_string())
    }
}

/// Takes a domain out of service whose component is missing, damaged, or no longer accepted by the sandbox. Deploying
/// the component again brings the domain back.
fn not_loaded(tenant: &Tenant, domain: &DomainName, revision: Revision, error: &ComponentError) {
    let (reason, is_temporary) = (error.public().to_owned(), error.is_temporary());
    let is_known =
        tenant.unloadable(domain).is_some_and(|known| (known.revision, &known.reason) == (revision, &reason));
    if !is_known {
        tracing::error!(
            tenant = %tenant.name, %domain, %revision, %error, is_temporary,
            "a domain is out of service: its component cannot be loaded"
        );
    }
    if let Some(domain) = tenant.domain(domain) {
        // Another revision is still active, and must not go on deciding.
        domain.active().health.shut(&reason);
    }
    tenant.set_unloadable(domain, Unloadable { revision, reason, is_temporary });
}

/// Loads former revisions, for views that are served until those of the next revision have caught up.
pub(super) fn old_revisions(sandbox: &Arc<Sandbox>, components: &Arc<Components>) -> Arc<Restore> {
    let (sandbox, components) = (Arc::clone(sandbox), Arc::clone(components));
    Arc::new(move |revision| match components.restore(&sandbox, revision) {
        Ok(component) => Some(component),
        Err(error) => {
            tracing::warn!(%revision, %error, "an old revision cannot be loaded; its views do not advance until they are rebuilt");
            None
        }
    })
}

/// Makes these rules active for all later commands. Returns the commands in flight that may still meet the rules
/// before.
pub(super) fn put_in_place(
    tenant: &Tenant,
    rules: Arc<dyn Rules>,
    standing: health::Probation,
    ready: PreparedInstances,
) -> Option<Drained> {
    let name = rules.descriptor().domain.clone();
    tenant.is_loaded(&name);
    let active = Active::new(&tenant.name, rules, standing, ready);
    if let Some(domain) = tenant.domain(&name) {
        return Some(domain.activate(active));
    }
    tenant.insert(Domain::new(name, active));
    None
}
