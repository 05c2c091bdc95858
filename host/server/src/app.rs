//! The state that all HTTP handlers share.

use std::sync::Arc;

use polder_core::{MemoryBudget, TenantName};
use polder_engine::Host;
use tokio::sync::{Semaphore, watch};

use crate::access::Authenticator;
use crate::connections::Connections;
use crate::nats::NatsMetrics;
use crate::partitions::Partitions;

pub(crate) struct App {
    pub(crate) partitions: Partitions,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) connections: Arc<Connections>,
    /// The memory budget of the whole host.
    pub(crate) memory: MemoryBudget,
    /// Becomes true when the server stops. Endless streams then end.
    pub(crate) closing: watch::Receiver<bool>,
    /// The metrics of the NATS interface, if NATS is in use.
    pub(crate) nats: Option<Arc<NatsMetrics>>,
    /// One permit for each text of the metrics, until its client has read it.
    pub(crate) metrics_turns: Arc<Semaphore>,
}

impl App {
    /// The engine host that holds the tenant.
    pub(crate) fn host(&self, tenant: &TenantName) -> &Host {
        self.partitions.host(tenant)
    }
}
