//! Removes tenants. The fact comes first: from there on the tenant is gone for everyone, and what it left behind is removed, now or, if
//! the host ends in the middle, at its next start. Every step may be taken again.

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
    /// Removes a tenant with all it has. `confirmed` has to be its name again. Its name is never used again.
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
        // To its end, also when the caller goes away.
        joined(tokio::spawn(async move { inner.remove(name, actor).await })).await
    }
}

impl Inner {
    /// Other administrative acts go on while the tenant's last calls end and its views are removed.
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

    /// When it begins to own its journal: what a crash or a failing disk left undone.
    pub(super) fn finish_removals(&self) {
        let mut stream = self.lock_stream();
        let half_removed = self.tenant_book.lock().unwrap_or_else(PoisonError::into_inner).half_removed();
        for name in half_removed {
            match self.erase(&mut stream, &name, None) {
                Ok(()) => tracing::info!(tenant = %name, "the removal of a tenant is finished"),
                Err(error) => tracing::error!(tenant = %name, %error, "a tenant's data is not gone; it is tried again"),
            }
        }
    }

    /// From here on nobody finds it.
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
        // Which snapshots are the tenant's is known from its records: while they can be read.
        if self.reader.keys().has(name) {
            self.reader.remove_snapshots(name, &own)?;
        }
        let present = self.present_tenants();
        let others = self.revisions_of(|tenant| present.contains(tenant));
        for revision in own.iter().filter(|revision| !others.contains(revision)) {
            self.components.remove(*revision)?;
        }
        // Last, since a removal that is taken up again reads the records. From here on nobody does.
        Ok(self.reader.keys().destroy(name)?)
    }

    /// Snapshots are made for one revision and of no use to another: those of revisions that cannot come back go. On a thread of its own, as
    /// there may be many.
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
                    tracing::warn!(%error, "snapshots of revisions that are gone cannot be removed; it is tried again")
                }
            }
        };
        if let Err(error) = std::thread::Builder::new().name("snapshots".to_owned()).spawn(forgetting) {
            tracing::warn!(%error, "snapshots of revisions that are gone are not removed now");
        }
    }

    /// Those that were not removed.
    fn present_tenants(&self) -> BTreeSet<TenantName> {
        self.with_tenants(|book| book.present().map(|(name, _)| name.clone()).collect())
    }

    pub(super) fn revisions_of(&self, is_wanted: impl Fn(&TenantName) -> bool) -> Vec<Revision> {
        let deployments = self.deployments.lock().unwrap_or_else(PoisonError::into_inner);
        deployments.revisions_of(is_wanted).into_iter().collect()
    }
}
