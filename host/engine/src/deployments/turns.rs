//! Who deploys one domain at a time: the next one waits, and nobody else does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use polder_core::{DomainName, TenantName};
use tokio::sync::OwnedMutexGuard;

type Locks = HashMap<(TenantName, DomainName), Arc<tokio::sync::Mutex<()>>>;

#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<Locks>);

impl Turns {
    /// Waits for its turn, which lasts until it is dropped.
    pub(crate) async fn take(&self, tenant: &TenantName, domain: &DomainName) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody holds or awaits those that only the map knows.
            locks.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(locks.entry((tenant.clone(), domain.clone())).or_default())
        };
        lock.lock_owned().await
    }
}
