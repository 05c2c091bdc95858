//! One lock per domain: its deployments run one at a time, and those of other domains are not delayed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use polder_core::{DomainName, TenantName};
use tokio::sync::OwnedMutexGuard;

type Locks = HashMap<(TenantName, DomainName), Arc<tokio::sync::Mutex<()>>>;

#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<Locks>);

impl Turns {
    /// Waits for the domain's lock. It is held until the guard is dropped.
    pub(crate) async fn take(&self, tenant: &TenantName, domain: &DomainName) -> OwnedMutexGuard<()> {
        self.lock_of(tenant, domain).lock_owned().await
    }

    /// Like [`take`](Self::take), for threads that may block.
    pub(crate) fn take_blocking(&self, tenant: &TenantName, domain: &DomainName) -> OwnedMutexGuard<()> {
        self.lock_of(tenant, domain).blocking_lock_owned()
    }

    fn lock_of(&self, tenant: &TenantName, domain: &DomainName) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A lock that only the map refers to is neither held nor awaited.
        locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Arc::clone(locks.entry((tenant.clone(), domain.clone())).or_default())
    }
}
