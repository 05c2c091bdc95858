//! Serves partitions over NATS: all of a host that is alone, or those whose journal this host owns.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use polder_engine::joined;
use polder_nats::service::{Description, Service};
use polder_nats::{ConnectError, NotSent};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::JoinHandle;

use super::connections::{Nats, NatsConnections};
use super::metrics::NatsMetrics;
use super::served_partition::ServedPartition;
use super::tenants::Tenants;
use crate::access::Authenticator;
use crate::cluster::{Role, SharedJournal};
use crate::partitions::Partition;

/// How long requests may still take that are under way when another host becomes the owner of the journal.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long a start waits for a server that answers slowly. The rest of the start goes on in the background.
const BEGIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// The pause between two attempts to start.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Serves the partitions of a host over NATS. Clones share it.
#[derive(Clone)]
pub(crate) struct NatsInterface {
    connections: NatsConnections,
    authenticator: Arc<Authenticator>,
    metrics: Arc<NatsMetrics>,
    /// The NATS service, while at least one partition is served.
    service: Arc<Mutex<Weak<Service>>>,
}

/// The task that serves a partition.
pub(crate) struct Serving(JoinHandle<()>);

/// Why serving a partition cannot begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Nats(#[from] NotSent),
}

impl NatsInterface {
    pub(crate) fn new(nats: Nats, authenticator: Arc<Authenticator>, metrics: Arc<NatsMetrics>) -> Self {
        Self { connections: nats.connections, authenticator, metrics, service: Arc::default() }
    }

    /// Serves the partition until `closing` becomes true, as soon as NATS is usable. If NATS is usable now, the host
    /// answers requests when this returns, except those for tenants whose stream cannot be used yet.
    pub(crate) async fn serve(&self, partition: &Arc<Partition>, closing: watch::Receiver<bool>) -> Serving {
        let (begun, has_begun) = oneshot::channel::<()>();
        let served = ServedPartition {
            partition: Arc::clone(partition),
            authenticator: Arc::clone(&self.authenticator),
            metrics: Arc::clone(&self.metrics),
            closing,
        };
        let serving = Serving(tokio::spawn(self.clone().run(served, begun)));
        if self.connections.requests.is_up() && self.connections.events.is_up() {
            // An error means that serving has begun: the sender is dropped then.
            drop(tokio::time::timeout(BEGIN_WAIT_MAX, has_begun).await);
        }
        serving
    }

    /// Serves the partition over NATS while this host owns its journal. Of several hosts only the owner answers,
    /// wherever the client is connected.
    pub(crate) async fn serve_while_leading(self, partition: Arc<Partition>) {
        let Some(mut role) = partition.shared.as_ref().map(SharedJournal::role) else { return };
        loop {
            if role.wait_for(|role| *role == Role::Leading).await.is_err() {
                return;
            }
            let (close, closing) = watch::channel(false);
            let serving = self.serve(&partition, closing).await;
            // Ends early only if the ownership thread has ended.
            let _ = role.wait_for(|role| *role != Role::Leading).await;
            close.send_replace(true);
            serving.end(DRAIN_WAIT_MAX).await;
        }
    }

    async fn run(self, served: ServedPartition, begun: oneshot::Sender<()>) {
        let mut closing = served.closing.clone();
        let service = tokio::select! {
            service = self.begin(&served.partition) => service,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        let tenants = Tenants::serve(served, self.connections.clone()).await;
        if let Err(error) = self.connections.requests.settle().await {
            tracing::debug!(%error, "other servers may not know the host's subscriptions yet");
        }
        drop(begun);
        joined(tenants).await;
        drop(service);
    }

    /// Retries until NATS is usable.
    async fn begin(&self, partition: &Partition) -> Arc<Service> {
        let mut reported = None;
        loop {
            let error = match self.try_begin().await {
                Ok(service) => return service,
                Err(error) => error.to_string(),
            };
            if reported.as_ref() != Some(&error) {
                tracing::info!(journal = %partition.journal, error, "cannot serve tenants over NATS yet; retrying");
                reported = Some(error);
            }
            tokio::time::sleep(START_PAUSE).await;
        }
    }

    async fn try_begin(&self) -> Result<Arc<Service>, StartError> {
        self.connections.requests.ready().await?;
        self.connections.events.ready().await?;
        Ok(self.service().await?)
    }

    /// Returns the host's one service, which all its partitions share.
    async fn service(&self) -> Result<Arc<Service>, NotSent> {
        let mut there = self.service.lock().await;
        if let Some(service) = there.upgrade() {
            return Ok(service);
        }
        let description = Description {
            name: "polder",
            version: env!("CARGO_PKG_VERSION"),
            text: "A host for business rules: commands in, events out",
            metadata: BTreeMap::new(),
        };
        let service =
            Arc::new(Service::start(&self.connections.requests, description, self.metrics.endpoints()).await?);
        *there = Arc::downgrade(&service);
        Ok(service)
    }
}

impl Serving {
    /// Waits for the replies to requests under way, once `closing` is true. After `wait_max` it cuts them off.
    pub(crate) async fn end(mut self, wait_max: Duration) {
        if tokio::time::timeout(wait_max, &mut self.0).await.is_err() {
            self.0.abort();
            tracing::warn!("some requests over NATS took longer than {} s and were cut off", wait_max.as_secs());
        }
    }
}
