//! Removes tenants. The fact is recorded first: from then on the tenant is gone for all callers. Then its data is
//! deleted, now or, if the host ends before that is done, at its next start. Every step can be repeated.

use std::sync::Arc;

use polder_core::{Revision, TenantName};

use super::administration::{TenantAdministration, TenantParts};
use super::registry::{TenantFact, Tenants};
use super::tenant_error::{EraseError, TenantError};
use crate::control::AdministrativeAct;
use crate::joined::{blocking, joined};
use crate::tenancy::Tenant;

impl TenantAdministration {
    /// Removes a tenant with all its data. `confirmed` must repeat its name. The name cannot be used again.
    pub async fn remove(&self, name: &TenantName, confirmed: &str, actor: Option<&str>) -> Result<(), TenantError> {
        if confirmed != name.as_str() {
            return Err(TenantError::Unconfirmed { tenant: name.clone(), given: confirmed.to_owned() });
        }
        let (tenants, name, actor) = (self.clone(), name.clone(), actor.map(str::to_owned));
        // The removal runs to its end even if the caller goes away.
        joined(tokio::spawn(async move { tenants.remove_whole(name, actor).await })).await
    }

    /// Removes the tenant. Other administrative acts can run while the tenant's last calls end and its views are
    /// deleted.
    async fn remove_whole(self, name: TenantName, actor: Option<String>) -> Result<(), TenantError> {
        let parts = Arc::clone(&self.parts);
        let _one_at_a_time = parts.removals.lock().await;
        let (tenants, taken, taker) = (self.clone(), name.clone(), actor.clone());
        let act = move |act: &mut AdministrativeAct<'_>| {
            let is_half_removed =
                tenants.entry(&taken).is_some_and(|entry| entry.removed.is_some() && !entry.is_erased);
            if is_half_removed { Ok(None) } else { tenants.take_away(act, &taken, taker.as_deref()).map(Some) }
        };
        let tenant = parts.control.administer(act).await?;
        let (projections, closed) = (Arc::clone(&parts.projections), name.clone());
        let ended = blocking(move || {
            if let Some(tenant) = tenant {
                tenant.close();
            }
            projections.remove(&closed)
        });
        ended.await.map_err(|error| TenantError::Storage(EraseError::from(error).to_string()))?;
        parts.control.administer(move |act| self.erase(act, &name, actor.as_deref())).await
    }

    /// Finishes the removals that a crash or a failing disk interrupted. Called when this host begins to own its
    /// journal.
    pub(crate) fn finish_removals(&self) {
        let mut act = self.parts.control.begin();
        for name in self.with_registry(Tenants::half_removed) {
            match self.erase(&mut act, &name, None) {
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
        act: &mut AdministrativeAct<'_>,
        name: &TenantName,
        actor: Option<&str>,
    ) -> Result<Arc<Tenant>, TenantError> {
        let tenant = self.parts.directory.get(name).ok_or_else(|| TenantError::Unknown(name.clone()))?;
        let fact = TenantFact::TenantRemoved { tenant: name.clone() };
        let recorded = act.record(&self.parts.registry, fact, actor);
        recorded.map_err(|error| TenantError::ReadOnly(error.to_string()))?;
        self.parts.directory.remove(name);
        Ok(tenant)
    }

    fn erase(
        &self,
        act: &mut AdministrativeAct<'_>,
        name: &TenantName,
        actor: Option<&str>,
    ) -> Result<(), TenantError> {
        self.erase_all(name).map_err(|error| TenantError::Storage(error.to_string()))?;
        let fact = TenantFact::TenantErased { tenant: name.clone() };
        let recorded = act.record(&self.parts.registry, fact, actor);
        recorded.map_err(|error| TenantError::ReadOnly(error.to_string()))
    }

    fn erase_all(&self, name: &TenantName) -> Result<(), EraseError> {
        let TenantParts { projections, deployments, reader, .. } = &*self.parts;
        projections.remove(name)?;
        deployments.forget_inventories(name);
        let own: Vec<Revision> = deployments.revisions_of(|tenant| tenant == name);
        // The tenant's snapshots are found by its records, so this must come before the key is destroyed.
        if reader.keys().has(name) {
            reader.remove_snapshots(name, &own)?;
        }
        deployments.remove_components(&own)?;
        // The key is destroyed last: a removal that is resumed reads the records, which needs the key.
        Ok(reader.keys().destroy(name)?)
    }

    /// Removes the local data of tenants that were removed while this host was away.
    pub(crate) fn forget_removed(&self) {
        self.removed().iter().for_each(|name| self.forget(name));
    }

    /// Removes what this host has of a tenant. Its key was destroyed for all hosts by the host that removed it.
    fn forget(&self, name: &TenantName) {
        self.parts.deployments.forget_inventories(name);
        self.parts.reader.keys().forget(name);
        if let Err(error) = self.parts.projections.remove(name) {
            tracing::error!(tenant = %name, %error, "views of a removed tenant could not be deleted; the host tries again at the next start");
        }
    }

    /// Follows another host's acts: takes up the tenants that were added or changed.
    pub(crate) fn take_up_present(&self) {
        self.with_registry(Tenants::present_names).iter().for_each(|name| self.put_into_effect(name));
        self.expect_keys();
    }

    /// Follows another host's acts: drops the tenants that were removed.
    pub(crate) fn drop_removed(&self) {
        let present = self.with_registry(Tenants::present_names);
        for gone in self.parts.directory.names().difference(&present) {
            self.parts.directory.remove(gone);
            self.forget(gone);
        }
    }
}
