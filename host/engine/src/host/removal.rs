//! Removes tenants. The fact comes first: from there on the tenant is gone for everyone, and what it left behind is removed, now or, if
//! the host ends in the middle, at its next start. Every step may be taken again.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use polder_core::{Revision, TenantName};

use super::{Host, Inner};
use crate::TenantError;
use crate::errors::EraseError;
use crate::system::SystemStream;
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
        let (name, actor) = (name.clone(), actor.map(str::to_owned));
        let act = move |inner: &Arc<Inner>, stream: &mut SystemStream| {
            let half_removed = inner.entry(&name).is_some_and(|entry| entry.removed.is_some() && !entry.is_erased);
            if !half_removed {
                inner.take_away(stream, &name, actor.as_deref())?;
            }
            inner.erase(stream, &name, actor.as_deref())
        };
        self.inner.administer(act).await
    }
}

impl Inner {
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
    fn take_away(&self, stream: &mut SystemStream, name: &TenantName, actor: Option<&str>) -> Result<(), TenantError> {
        let tenant = self.tenant(name).ok_or_else(|| TenantError::Unknown(name.clone()))?;
        let fact = TenantFact::TenantRemoved { tenant: name.clone() };
        let recorded = self.record(stream, &self.tenant_book, fact, actor);
        recorded.map_err(|error| TenantError::ReadOnly(error.to_string()))?;
        let mut tenants = HashMap::clone(&self.tenants.load());
        tenants.remove(name);
        self.set_tenants(tenants);
        tenant.close();
        Ok(())
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
        let others = self.revisions_of(|tenant| self.entry(tenant).is_some_and(|entry| entry.removed.is_none()));
        for revision in own.iter().filter(|revision| !others.contains(revision)) {
            self.components.remove(*revision)?;
        }
        // Last, since a removal that is taken up again reads the records. From here on nobody does.
        Ok(self.reader.keys().destroy(name)?)
    }

    pub(super) fn revisions_of(&self, is_wanted: impl Fn(&TenantName) -> bool) -> Vec<Revision> {
        let deployments = self.deployments.lock().unwrap_or_else(PoisonError::into_inner);
        deployments.revisions_of(is_wanted).into_iter().collect()
    }
}
