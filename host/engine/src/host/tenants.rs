//! Adds and lists tenants, changes their limits, suspends and resumes them. Knows nothing of what they own.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};

use polder_core::{LimitChanges, Limits, TenantName};
use tokio::sync::watch;

use super::{Host, Inner};
use crate::answers::{DomainRevision, LimitInfo, TenantChanged, TenantInfo};
use crate::system::SystemStream;
use crate::tenant::{Tenant, Terms};
use crate::tenants::{Entry, RESERVED_NAMES, TenantFact};
use crate::{ReadError, TenantError};

impl Host {
    /// Adds an empty tenant. Changes nothing if it exists already.
    pub async fn add_tenant(&self, name: &TenantName, actor: Option<&str>) -> Result<TenantChanged, TenantError> {
        if RESERVED_NAMES.contains(&name.as_str()) {
            return Err(TenantError::Reserved(name.clone()));
        }
        self.change(name, actor, |inner, name| match inner.entry(name) {
            Some(entry) if entry.removed.is_some() => Err(TenantError::Removed(name.clone())),
            Some(_) => Ok(None),
            None => {
                // The key is made first, because nothing of the tenant may be recorded without it.
                let keys = inner.reader.keys();
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
        self.change(name, actor, move |inner, name| {
            let own = inner.known_entry(name)?.limits;
            let is_same = own.clone().changed(&changes) == own;
            Ok((!is_same).then(|| TenantFact::TenantLimitsChanged { tenant: name.clone(), limits: changes }))
        })
        .await
    }

    /// Suspends a tenant: its commands are refused, reads are still answered.
    pub async fn suspend(&self, name: &TenantName, actor: Option<&str>) -> Result<TenantChanged, TenantError> {
        self.change(name, actor, |inner, name| {
            let is_suspended = inner.known_entry(name)?.suspended.is_some();
            Ok((!is_suspended).then(|| TenantFact::TenantSuspended { tenant: name.clone() }))
        })
        .await
    }

    pub async fn resume(&self, name: &TenantName, actor: Option<&str>) -> Result<TenantChanged, TenantError> {
        self.change(name, actor, |inner, name| {
            let is_suspended = inner.known_entry(name)?.suspended.is_some();
            Ok(is_suspended.then(|| TenantFact::TenantResumed { tenant: name.clone() }))
        })
        .await
    }

    /// All tenants, by name.
    pub fn tenants(&self) -> Vec<TenantInfo> {
        let tenants = self.inner.tenants.load();
        let mut infos: Vec<_> = tenants.values().map(|tenant| self.inner.info(tenant)).collect();
        infos.sort_unstable_by(|a, b| a.tenant.cmp(&b.tenant));
        infos
    }

    /// The names of all tenants, without that of the host's own history.
    pub fn tenant_names(&self) -> BTreeSet<TenantName> {
        self.inner.tenants.load().keys().cloned().collect()
    }

    /// The tenants that were removed.
    pub fn removed_tenants(&self) -> Vec<TenantName> {
        self.inner.tenant_book.lock().unwrap_or_else(PoisonError::into_inner).removed().cloned().collect()
    }

    /// Notified when a tenant was added or removed.
    pub fn tenants_changed(&self) -> watch::Receiver<()> {
        self.inner.tenants_changed.subscribe()
    }

    pub fn tenant(&self, name: &TenantName) -> Result<TenantInfo, ReadError> {
        let tenant = self.inner.tenant(name).ok_or_else(|| ReadError::UnknownTenant(name.clone()))?;
        Ok(self.inner.info(&tenant))
    }

    /// Records the fact that `decide` returns, if any, and puts it into effect.
    async fn change(
        &self,
        name: &TenantName,
        actor: Option<&str>,
        decide: impl FnOnce(&Inner, &TenantName) -> Result<Option<TenantFact>, TenantError> + Send + 'static,
    ) -> Result<TenantChanged, TenantError> {
        let (name, actor) = (name.clone(), actor.map(str::to_owned));
        let act = move |inner: &Arc<Inner>, stream: &mut SystemStream| {
            let fact = decide(inner, &name)?;
            let changed = fact.is_some();
            if let Some(fact) = fact {
                let recorded = inner.record(stream, &inner.tenant_book, fact, actor.as_deref());
                recorded.map_err(|error| TenantError::ReadOnly(error.to_string()))?;
                inner.put_into_effect(&name);
            }
            let tenant = inner.tenant(&name).ok_or_else(|| TenantError::Unknown(name.clone()))?;
            Ok(TenantChanged { changed, tenant: inner.info(&tenant) })
        };
        self.inner.administer(act).await
    }
}

impl Inner {
    /// Puts the recorded limits and suspension of a tenant into effect. Called after each change.
    pub(super) fn put_into_effect(&self, name: &TenantName) {
        let Some(entry) = self.entry(name) else { return };
        let terms = terms(&entry, self.limits);
        match self.tenant(name) {
            Some(tenant) => {
                let is_limited_otherwise = tenant.limits() != terms.limits;
                tenant.set_terms(terms);
                if is_limited_otherwise {
                    self.projections.limits_changed(name);
                }
            }
            None => {
                let tenant = Tenant::new(name.clone(), terms, &self.reader);
                let mut tenants = HashMap::clone(&self.tenants.load());
                tenants.insert(name.clone(), tenant);
                self.set_tenants(tenants);
            }
        }
    }

    pub(super) fn entry(&self, name: &TenantName) -> Option<Entry> {
        self.tenant_book.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
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
            default: limit.of(&self.limits),
            is_own: entry.limits.get(limit.name).is_some(),
            meaning: limit.meaning,
        };
        let revision = |domain: Arc<crate::domain::Domain>| DomainRevision {
            domain: domain.name.clone(),
            revision: domain.active().revision,
        };
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

pub(super) fn terms(entry: &Entry, defaults: Limits) -> Terms {
    Terms { limits: defaults.with(&entry.limits), is_suspended: entry.suspended.is_some() }
}
