//! The tenants that this host serves at present.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use foldhash::HashMap;
use polder_core::TenantName;
use tokio::sync::watch;

use super::tenant::Tenant;

/// Finds tenants by name. The host's own history has a tenant too, which is found only by [`system`](Self::system).
pub(crate) struct TenantDirectory {
    /// The map is replaced as a whole when a tenant is added or removed, so that commands find their tenant without a
    /// lock.
    tenants: ArcSwap<HashMap<TenantName, Arc<Tenant>>>,
    /// Notified when a tenant was added or removed.
    changed: watch::Sender<()>,
    /// The tenant of the host's own history. It takes no commands.
    system: Arc<Tenant>,
}

impl TenantDirectory {
    pub(crate) fn new(system: Arc<Tenant>, tenants: impl Iterator<Item = Arc<Tenant>>) -> Self {
        let tenants = tenants.map(|tenant| (tenant.name.clone(), tenant)).collect();
        Self { tenants: ArcSwap::from_pointee(tenants), changed: watch::Sender::new(()), system }
    }

    pub(crate) fn get(&self, name: &TenantName) -> Option<Arc<Tenant>> {
        self.tenants.load().get(name).cloned()
    }

    pub(crate) fn system(&self) -> &Arc<Tenant> {
        &self.system
    }

    /// All tenants, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Tenant>> {
        self.tenants.load().values().cloned().collect()
    }

    pub(crate) fn names(&self) -> BTreeSet<TenantName> {
        self.tenants.load().keys().cloned().collect()
    }

    /// A channel that is notified when a tenant was added or removed.
    pub(crate) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn insert(&self, tenant: &Arc<Tenant>) {
        self.replace(|tenants| drop(tenants.insert(tenant.name.clone(), Arc::clone(tenant))));
    }

    pub(crate) fn remove(&self, name: &TenantName) {
        self.replace(|tenants| drop(tenants.remove(name)));
    }

    fn replace(&self, change: impl Fn(&mut HashMap<TenantName, Arc<Tenant>>)) {
        self.tenants.rcu(|tenants| {
            let mut tenants = HashMap::clone(tenants);
            change(&mut tenants);
            tenants
        });
        self.changed.send_replace(());
    }
}
