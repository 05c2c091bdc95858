//! The state that all request handlers share.

use std::sync::Arc;

use polder_access::Verifier;
use polder_core::{MemoryBudget, TenantName};
use polder_engine::Host;
use tokio::sync::watch;

use crate::connections::open_connections::Connections;
use crate::nats;
use crate::partitions::Partitions;

pub(crate) struct App {
    pub(crate) parts: Partitions,
    pub(crate) verifier: Arc<Verifier>,
    /// Wakes streams whose caller's key may have been revoked.
    pub(crate) keys_changed: watch::Sender<()>,
    pub(crate) connections: Arc<Connections>,
    /// The memory budget of the whole host.
    pub(crate) memory: MemoryBudget,
    /// Becomes true when the server stops. Endless streams then end.
    pub(crate) closing: watch::Receiver<bool>,
    /// The counters of the NATS interface, if NATS is in use.
    pub(crate) nats: Option<Arc<nats::Counts>>,
}

impl App {
    /// The engine host that holds the tenant.
    pub(crate) fn host(&self, tenant: &TenantName) -> &Host {
        self.parts.host(tenant)
    }
}
