//! Removes tenants. The fact is recorded first: from then on the tenant is gone for all callers. Then its data is
//! deleted, now or, if the host ends before that is done, at its next start. Every step can be repeated.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};

use polder_core::{Revision, TenantName};

use super::{Host, Inner, blocking};
use crate::TenantError;
use crate::errors::EraseError;
use crate::joined::joined;
use crate::system::SystemStream;
use crate::tenant::Tenant;
use crate::tenants::TenantFact;

impl Host {
    /// Removes a tenant with all its data. `confirmed` must repeat its name. The name cannot be used again.
    pub async fn remove_tenant(
        &self,
        name: &TenantName,
        confirmed: &str,
        actor: Option<&str>,
    ) -> Result<(), TenantError> {
        if confirmed != name.as_str() {
            return Err(TenantError::Unconfirmed { tenant: name.clone(), given: confirmed.to_owned() });
        }
        let (inner, name, actor) = (Arc::clone(&self.inner), name.clone(), actor.map(str::to_owned));
        // The removal runs to its end even if the caller goes away.
        joined(tokio::spawn(async move { inner.remove(name, actor).await })).await
    }
}

impl Inner {
    /// Removes the tenant. Other administrative acts can run while the tenant's last calls end and its views are
    /// deleted.
    async fn remove(self: &Arc<Self>, name: TenantName, actor: Option<String>) -> Result<(), TenantError> {
        let _one_at_a_time = self.removals.lock().await;
        let (taken, taker) = (name.clone(), actor.clone());
        let act = move |inner: &Arc<Self>, stream: &mut SystemStream| {
            let is_half_removed = inner.entry(&taken).is_some_and(|entry| entry.removed.is_some() && !entry.is_erased);
            if is_half_removed { Ok(None) } else { inner.take_away(stream, &taken, taker.as_deref()).map(Some) }
        };
        let tenant = self.administer(act).await?;
        let (inner, quiet) = (Arc::clone(self), name.clone());
        let ended = blocking(move || {
            if let Some(tenant) = tenant {
                tenant.close();
            }
            inner.projections.remove(&quiet)
        });
        ended.await.map_err(|error| TenantError::Storage(EraseError::from(error).to_string()))?;
        self.administer(move |inner, stream| inner.erase(stream, &name, actor.as_deref())).await
    }

    /// Finishes the removals that a crash or a failing disk interrupted. Called when this host begins to own its
    /// journal.
    pub(super) fn finish_removals(&self) {
        let mut stream = self.lock_stream();
        let half_removed = self.tenant_book.lock().unwrap_or_else(PoisonError::into_inner).half_removed();
        for name in half_removed {
            match self.erase(&mut stream, &name, None) {
                Ok(()) => tracing::info!(tenant = %name, "the removal of a tenant is finished"),
                Err(error) => {
                    tracing::error!(tenant = %name, %error, "a removed tenant's data could not be deleted; the host will try again")
                }
            }
        }
    }

    /// Records the removal. From then on lookups do not find the tenant.
    fn take_away(
        &self,
        stream: &mut SystemStream,
        name: &TenantName,
        actor: Option<&str>,
    ) -> Result<Arc<Tenant>, TenantError> {
        let tenant = self.tenant(name).ok_or_else(|| TenantError::Unknown(name.clone()))?;
        let fact = TenantFact::TenantRemoved { tenant: name.clone() };
        let recorded = self.record(stream, &self.tenant_book, fact, actor);
        recorded.map_err(|error| TenantError::ReadOnly(error.to_string()))?;
        let mut tenants = HashMap::clone(&self.tenants.load());
        tenants.remove(name);
        self.set_tenants(tenants);
        Ok(tenant)
    }

    fn erase(&self, stream: &mut SystemStream, name: &TenantName, actor: Option<&str>) -> Result<(), TenantError> {
        self.erase_all(name).map_err(|error| TenantError::Storage(error.to_string()))?;
        let fact = TenantFact::TenantErased { tenant: name.clone() };
        let recorded = self.record(stream, &self.tenant_book, fact, actor);
        recorded.map_err(|error| TenantError::ReadOnly(error.to_string()))
    }

    fn erase_all(&self, name: &TenantName) -> Result<(), EraseError> {
        self.projections.remove(name)?;
        self.gate.forget(name);
        let own: Vec<Revision> = self.revisions_of(|tenant| tenant == name);
        // The tenant's snapshots are found by its records, so this must come before the key is destroyed.
        if self.reader.keys().has(name) {
            self.reader.remove_snapshots(name, &own)?;
        }
        let present = self.present_tenants();
        let others = self.revisions_of(|tenant| present.contains(tenant));
        for revision in own.iter().filter(|revision| !others.contains(revision)) {
            self.components.remove(*revision)?;
        }
        // The key is destroyed last: a removal that is resumed reads the records, which needs the key.
        Ok(self.reader.keys().destroy(name)?)
    }

    /// Removes snapshots of revisions that cannot come back. A snapshot belongs to one revision and is useless to
    /// others. Runs on a thread of its own, because there may be many.
    pub(super) fn forget_snapshots(self: &Arc<Self>) {
        let inner = Arc::downgrade(self);
        let forgetting = move || {
            let Some(inner) = inner.upgrade() else { return };
            let present = inner.present_tenants();
            let deployments = inner.deployments.lock().unwrap_or_else(PoisonError::into_inner);
            let kept = deployments.returning(|tenant| present.contains(tenant));
            drop(deployments);
            match inner.reader.keep_snapshots_of(&kept) {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "snapshots of revisions that cannot come back are removed"),
                Err(error) => {
                    tracing::warn!(%error, "snapshots of revisions that cannot come back could not be removed; the host will try again")
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("snapshots".to_owned()).spawn(forgetting) {
            tracing::warn!(%error, "snapshots of revisions that cannot come back are not removed now");
        }
    }

    /// The tenants that were not removed.
    fn present_tenants(&self) -> BTreeSet<TenantName> {
        self.with_tenants(|book| book.present().map(|(name, _)| name.clone()).collect())
    }

    pub(super) fn revisions_of(&self, is_wanted: impl Fn(&TenantName) -> bool) -> Vec<Revision> {
        let deployments = self.deployments.lock().unwrap_or_else(PoisonError::into_inner);
        deployments.revisions_of(is_wanted).into_iter().collect()
    }
}
