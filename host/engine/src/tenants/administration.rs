//! Adds and lists tenants, changes their limits, suspends and resumes them. Knows nothing of what they own.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use polder_core::{LimitChanges, Limits, TenantName};
use polder_journal::Reader;
use tokio::sync::watch;

use super::answers::{DomainRevision, LimitInfo, TenantChanged, TenantInfo};
use super::registry::{Entry, RESERVED_NAMES, TenantFact, Tenants, terms};
use super::tenant_error::TenantError;
use crate::control::{AdministrativeAct, Control};
use crate::deployments::DeploymentService;
use crate::read::ReadError;
use crate::tenancy::{Domain, Tenant, TenantDirectory};
use crate::views::Projections;

/// The tenants of the host. Clones share them.
#[derive(Clone)]
pub struct TenantAdministration {
    pub(super) parts: Arc<TenantParts>,
}

/// What administrative acts on tenants work with.
pub(crate) struct TenantParts {
    pub(crate) directory: Arc<TenantDirectory>,
    pub(crate) control: Arc<Control>,
    pub(crate) registry: Mutex<Tenants>,
    /// The limits of tenants that have none of their own.
    pub(crate) default_limits: Limits,
    pub(crate) reader: Reader,
    pub(crate) projections: Arc<Projections>,
    pub(crate) deployments: DeploymentService,
    /// Tenants of which the journal has records that could not be read when it was opened.
    pub(crate) sealed: BTreeSet<TenantName>,
    /// Held during the removal of a tenant, which runs beside other administrative acts. One removal runs at a time.
    pub(crate) removals: tokio::sync::Mutex<()>,
}

impl TenantAdministration {
    pub(crate) fn new(parts: TenantParts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    pub(crate) fn registry(&self) -> &Mutex<Tenants> {
        &self.parts.registry
    }

    /// Adds an empty tenant. Changes nothing if it exists already.
    pub async fn add(&self, name: &TenantName, actor: Option<&str>) -> Result<TenantChanged, TenantError> {
        if RESERVED_NAMES.contains(&name.as_str()) {
            return Err(TenantError::Reserved(name.clone()));
        }
        self.change(name, actor, |tenants, name| match tenants.entry(name) {
            Some(entry) if entry.removed.is_some() => Err(TenantError::Removed(name.clone())),
            Some(_) => Ok(None),
            None => {
                // The key is made first, because nothing of the tenant may be recorded without it.
                let keys = tenants.parts.reader.keys();
                let created = keys
                    .create(name)
                    .and_then(|()| keys.check_of(name).ok_or_else(|| std::io::ErrorKind::NotFound.into()));
                let key = created.map_err(|error| TenantError::Storage(error.to_string()))?;
                Ok(Some(TenantFact::TenantAdded { tenant: name.clone(), key }))
            }
        })
        .await
    }

    pub async fn change_limits(
        &self,
        name: &TenantName,
        changes: LimitChanges,
        actor: Option<&str>,
    ) -> Result<TenantChanged, TenantError> {
        self.change(name, actor, move |tenants, name| {
            let own = tenants.known_entry(name)?.limits;
            let is_same = own.clone().changed(&changes) == own;
            Ok((!is_same).then(|| TenantFact::TenantLimitsChanged { tenant: name.clone(), limits: changes }))
        })
        .await
    }

    /// Suspends a tenant: its commands are refused, reads are still answered.
    pub async fn suspend(&self, name: &TenantName, actor: Option<&str>) -> Result<TenantChanged, TenantError> {
        self.change(name, actor, |tenants, name| {
            let is_suspended = tenants.known_entry(name)?.suspended.is_some();
            Ok((!is_suspended).then(|| TenantFact::TenantSuspended { tenant: name.clone() }))
        })
        .await
    }

    pub async fn resume(&self, name: &TenantName, actor: Option<&str>) -> Result<TenantChanged, TenantError> {
        self.change(name, actor, |tenants, name| {
            let is_suspended = tenants.known_entry(name)?.suspended.is_some();
            Ok(is_suspended.then(|| TenantFact::TenantResumed { tenant: name.clone() }))
        })
        .await
    }

    /// All tenants, by name.
    pub fn list(&self) -> Vec<TenantInfo> {
        let mut infos: Vec<_> = self.parts.directory.all().iter().map(|tenant| self.info(tenant)).collect();
        infos.sort_unstable_by(|a, b| a.tenant.cmp(&b.tenant));
        infos
    }

    /// The names of all tenants, without that of the host's own history.
    pub fn names(&self) -> BTreeSet<TenantName> {
        self.parts.directory.names()
    }

    /// The tenants that were removed.
    pub fn removed(&self) -> Vec<TenantName> {
        self.with_registry(|registry| registry.removed().cloned().collect())
    }

    /// Notified when a tenant was added or removed.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.parts.directory.changed()
    }

    pub fn get(&self, name: &TenantName) -> Result<TenantInfo, ReadError> {
        let tenant = self.parts.directory.get(name).ok_or_else(|| ReadError::UnknownTenant(name.clone()))?;
        Ok(self.info(&tenant))
    }

    /// Records the fact that `decide` returns, if any, and puts it into effect.
    async fn change(
        &self,
        name: &TenantName,
        actor: Option<&str>,
        decide: impl FnOnce(&Self, &TenantName) -> Result<Option<TenantFact>, TenantError> + Send + 'static,
    ) -> Result<TenantChanged, TenantError> {
        let (tenants, name, actor) = (self.clone(), name.clone(), actor.map(str::to_owned));
        let act = move |act: &mut AdministrativeAct<'_>| {
            let fact = decide(&tenants, &name)?;
            let changed = fact.is_some();
            if let Some(fact) = fact {
                let recorded = act.record(&tenants.parts.registry, fact, actor.as_deref());
                recorded.map_err(|error| TenantError::ReadOnly(error.to_string()))?;
                tenants.put_into_effect(&name);
            }
            let tenant = tenants.parts.directory.get(&name).ok_or_else(|| TenantError::Unknown(name.clone()))?;
            Ok(TenantChanged { changed, tenant: tenants.info(&tenant) })
        };
        self.parts.control.administer(act).await
    }

    /// Puts the recorded limits and suspension of a tenant into effect. Called after each change.
    pub(crate) fn put_into_effect(&self, name: &TenantName) {
        let Some(entry) = self.entry(name) else { return };
        let terms = terms(&entry, self.parts.default_limits);
        match self.parts.directory.get(name) {
            Some(tenant) => {
                let is_limited_otherwise = tenant.limits() != terms.limits;
                tenant.set_terms(terms);
                if is_limited_otherwise {
                    self.parts.projections.limits_changed(name);
                }
            }
            None => {
                self.parts.directory.insert(&Tenant::new(name.clone(), terms, &self.parts.reader));
            }
        }
    }

    pub(crate) fn with_registry<T>(&self, read: impl FnOnce(&Tenants) -> T) -> T {
        read(&self.parts.registry.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn entry(&self, name: &TenantName) -> Option<Entry> {
        self.with_registry(|registry| registry.get(name).cloned())
    }

    fn known_entry(&self, name: &TenantName) -> Result<Entry, TenantError> {
        let present = self.entry(name).filter(|entry| entry.removed.is_none());
        present.ok_or_else(|| TenantError::Unknown(name.clone()))
    }

    fn info(&self, tenant: &Tenant) -> TenantInfo {
        let entry = self.entry(&tenant.name).unwrap_or_default();
        let limits = tenant.limits();
        let limit = |limit: &'static polder_core::Limit| LimitInfo {
            name: limit.name,
            value: limit.of(&limits),
            default: limit.of(&self.parts.default_limits),
            is_own: entry.limits.get(limit.name).is_some(),
            meaning: limit.meaning,
        };
        let revision =
            |domain: Arc<Domain>| DomainRevision { domain: domain.name.clone(), revision: domain.active().revision };
        TenantInfo {
            tenant: tenant.name.clone(),
            unavailable: tenant.unavailable().is_some(),
            added: entry.added,
            suspended: entry.suspended,
            domains: tenant.domains().into_iter().map(revision).collect(),
            position: *tenant.positions.borrow(),
            record_bytes: tenant.record_bytes(),
            view_bytes: tenant.view_bytes(),
            commands_in_flight: tenant.in_flight(),
            limits: Limits::ALL.iter().map(limit).collect(),
        }
    }
}
