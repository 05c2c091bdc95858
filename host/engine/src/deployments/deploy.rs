//! Deploys components, and rolls back to earlier revisions.

use std::sync::Arc;

use polder_core::{DomainName, Revision, TenantName};
use polder_sandbox::Component;

use super::answers::Deployed;
use super::check::{CheckRefusal, Verdict};
use super::compile_error::CompileError;
use super::components::ComponentError;
use super::deploy_error::DeployError;
use super::facts::DeploymentFact;
use super::options::{DeployOptions, RollBackOptions};
use super::service::DeploymentService;
use super::stop::StopOnDrop;
use super::takeover::{Takeover, Why};
use super::uploads::{Upload, UploadError, Uploaded};
use crate::joined::{blocking, blocking_behind_commands, joined};
use crate::tenancy::{SYSTEM_TENANT, Tenant};

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

impl DeploymentService {
    /// Begins an upload of a component for the tenant. Does not check whether the tenant exists.
    pub fn begin_upload(&self, tenant: &TenantName) -> Result<Upload, UploadError> {
        self.parts.components.begin_upload(tenant)
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
        let tenant = self.tenant_to_deploy(tenant)?;
        if let Some(domain) = &options.domain {
            self.parts.check_domains(&tenant, domain)?;
        }
        let stop = StopOnDrop(self.parts.components.new_stop());
        let (parts, name) = (Arc::clone(&self.parts), tenant.name.clone());
        let (component, seen) = (uploaded.clone(), stop.0.clone());
        // The domain describes itself on this thread, however long that takes.
        let load = move || parts.components.load(&parts.sandbox, Some(&name), &component, &seen);
        let loaded = blocking_behind_commands("component", load).await;
        let error = match loaded {
            Ok(Ok(component)) => return Ok(Described { component, uploaded }),
            Ok(Err(error)) => error,
            Err(error) => CompileError::Failed(format!("there is no thread for it: {error}")),
        };
        if matches!(error, CompileError::Refused(_) | CompileError::Limit { .. }) {
            self.not_admitted(&tenant, options, uploaded.revision(), error.to_string()).await?;
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
        let (service, tenant) = (self.clone(), self.tenant_to_deploy(tenant)?);
        joined(tokio::spawn(async move { service.take_described(tenant, described, options).await })).await
    }

    /// Activates a former revision again. It must pass the revision check like any other revision.
    pub async fn roll_back(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        options: RollBackOptions,
    ) -> Result<Deployed, DeployError> {
        let (service, tenant) = (self.clone(), self.tenant_to_deploy(tenant)?);
        let domain = domain.clone();
        joined(tokio::spawn(async move { service.go_back(tenant, domain, options).await })).await
    }

    async fn take_described(
        &self,
        tenant: Arc<Tenant>,
        described: Described,
        options: DeployOptions,
    ) -> Result<Deployed, DeployError> {
        let DeployOptions { check, domain: asked, release_quarantine } = options;
        let domain = described.domain();
        if let Some(asked) = asked
            && asked != *domain
        {
            return Err(DeployError::OtherDomain { described: domain.clone(), asked });
        }
        let _turn = self.parts.turns.take(&tenant.name, domain).await;
        // A dry run records nothing, so that only this check refuses it.
        self.parts.check_domains(&tenant, domain)?;
        let Described { component, uploaded } = described;
        let why = Why::Deployed { uploaded, release_quarantine };
        self.take_over(Takeover { tenant, component, why, check }).await
    }

    async fn go_back(
        &self,
        tenant: Arc<Tenant>,
        domain: DomainName,
        options: RollBackOptions,
    ) -> Result<Deployed, DeployError> {
        let _turn = self.parts.turns.take(&tenant.name, &domain).await;
        let RollBackOptions { check, to } = options;
        let target = self.target_of(&tenant, &domain, to.as_deref())?;
        let component = self.restored(target).await?;
        let why = Why::RolledBack { cause: "asked for".into(), is_withdrawn: false };
        self.take_over(Takeover { tenant, component, why, check }).await
    }

    pub(super) fn target_of(
        &self,
        tenant: &Tenant,
        domain: &DomainName,
        to: Option<&str>,
    ) -> Result<Revision, DeployError> {
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

    pub(super) async fn restored(&self, revision: Revision) -> Result<Arc<Component>, DeployError> {
        let parts = Arc::clone(&self.parts);
        let restored = blocking(move || parts.components.restore(&parts.sandbox, revision)).await;
        restored.map_err(|error| match error {
            ComponentError::NotLoaded(error @ (CompileError::Busy { .. } | CompileError::Memory(_))) => error.into(),
            other => DeployError::Storage(other.to_string()),
        })
    }

    /// Records the refusal of a component that is not valid, if it was meant for an existing domain.
    async fn not_admitted(
        &self,
        tenant: &Arc<Tenant>,
        options: &DeployOptions,
        revision: Revision,
        problem: String,
    ) -> Result<(), DeployError> {
        let DeployOptions { check, domain, .. } = options;
        let is_known = |domain: &&DomainName| !check.dry_run && self.standing(tenant, domain).is_some();
        let Some(domain) = domain.as_ref().filter(is_known).cloned() else { return Ok(()) };
        let verdict = Verdict { refusals: vec![CheckRefusal::NotAdmitted { problem }], ..Verdict::default() };
        let fact = DeploymentFact::RevisionRefused { tenant: tenant.name.clone(), domain, revision, verdict };
        self.record_all(vec![fact], check.actor.clone()).await
    }

    pub(super) async fn record_all(
        &self,
        facts: Vec<DeploymentFact>,
        actor: Option<String>,
    ) -> Result<(), DeployError> {
        let parts = Arc::clone(&self.parts);
        let recorded = self.parts.control.administer(move |act| {
            facts.into_iter().try_for_each(|fact| act.record(&parts.registry, fact, actor.as_deref()))
        });
        recorded.await.map_err(|error| DeployError::ReadOnly(error.to_string()))
    }

    pub(super) fn tenant_to_deploy(&self, name: &TenantName) -> Result<Arc<Tenant>, DeployError> {
        let tenant = self.parts.directory.get(name).ok_or_else(|| match name.as_str() {
            SYSTEM_TENANT => DeployError::SystemTenant,
            _ => DeployError::UnknownTenant(name.clone()),
        })?;
        match tenant.unavailable() {
            Some(_) => Err(DeployError::TenantUnavailable(name.clone())),
            None => Ok(tenant),
        }
    }
}
