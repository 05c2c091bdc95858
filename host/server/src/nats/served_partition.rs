//! A partition while its tenants are served over NATS.

use std::sync::Arc;

use tokio::sync::watch;

use super::metrics::NatsMetrics;
use crate::access::Authenticator;
use crate::partitions::Partition;

/// What the handlers of requests use.
pub(super) struct ServedPartition {
    pub(super) partition: Arc<Partition>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) metrics: Arc<NatsMetrics>,
    /// Becomes true when serving ends.
    pub(super) closing: watch::Receiver<bool>,
}
