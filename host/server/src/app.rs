//! What every request may reach.

use std::sync::Arc;

use polder_access::Verifier;
use polder_core::{MemoryBudget, TenantName};
use polder_engine::Host;
use tokio::sync::watch;

use crate::connections::Connections;
use crate::nats;
use crate::parts::Parts;

pub(crate) struct App {
    pub(crate) parts: Parts,
    pub(crate) verifier: Arc<Verifier>,
    /// Wakes those who go on only as long as a key counts.
    pub(crate) keys_changed: watch::Sender<()>,
    pub(crate) connections: Arc<Connections>,
    /// The whole host's.
    pub(crate) memory: MemoryBudget,
    /// Turns true when the server stops: whoever streams without end ends then.
    pub(crate) closing: watch::Receiver<bool>,
    /// What the NATS face counts, where there is one.
    pub(crate) nats: Option<Arc<nats::Counts>>,
}

impl App {
    /// The one that has the tenant.
    pub(crate) fn host(&self, tenant: &TenantName) -> &Host {
        self.parts.host(tenant)
    }
}
