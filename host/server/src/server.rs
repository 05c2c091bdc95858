//! Starts a host's HTTP and NATS interfaces, and stops them: at shutdown it waits a bounded time for the requests that
//! are under way.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::access::Authenticator;
use crate::app::App;
use crate::connections::{Bounds, Connections, accept_until, descriptors_max};
use crate::http::access_keys;
use crate::http::fast_path::FastPath;
use crate::http::metrics::METRICS_TEXTS_MAX;
use crate::http::routes::router;
use crate::nats::{self, Nats, NatsInterface};
use crate::partitions::Partitions;

/// The longest time that requests under way at shutdown may still take, over HTTP and over NATS.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// The longest wait until the tasks of requests that were cut off have ended. A task that runs on without a pause is
/// not waited for.
const CUT_OFF_WAIT_MAX: Duration = Duration::from_secs(1);

/// A host and its HTTP and NATS interfaces.
pub struct Server {
    app: Arc<App>,
    close: watch::Sender<bool>,
    nats: Option<nats::Serving>,
    /// Background tasks that run as long as the server.
    background: JoinSet<()>,
}

impl Server {
    /// Starts the server. When this returns, the host answers over NATS if NATS is used and reachable.
    ///
    /// # Errors
    /// Fails when the host's keys cannot be read.
    pub async fn start(partitions: Partitions, nats: Option<Nats>) -> io::Result<Self> {
        let (close, closing) = watch::channel(false);
        let keys = access_keys::known(partitions.first_host()).map_err(io::Error::other)?;
        let memory = partitions.first_host().memory().clone();
        let bounds = Bounds::new(descriptors_max(), &memory);
        tracing::info!(
            connections_max = bounds.connections_max,
            connections_per_address_max = bounds.connections_per_address_max,
            descriptors_max = descriptors_max(),
            "bounds of connections"
        );
        let app = Arc::new(App {
            partitions,
            authenticator: Arc::new(Authenticator::new(&keys)),
            connections: Arc::new(Connections::new(bounds, memory.clone())),
            memory,
            closing,
            nats: nats.as_ref().map(|nats| Arc::new(nats.metrics())),
            metrics_turns: Arc::new(Semaphore::new(METRICS_TEXTS_MAX)),
        });
        let interface = nats
            .zip(app.nats.clone())
            .map(|(nats, metrics)| NatsInterface::new(nats, Arc::clone(&app.authenticator), metrics));
        let mut background = JoinSet::new();
        let mut serving = None;
        if app.partitions.cluster().is_some() {
            background.spawn(access_keys::follow(Arc::clone(&app)));
        }
        for partition in app.partitions.all() {
            match (&partition.shared, &interface) {
                (None, Some(interface)) => {
                    serving = Some(interface.serve(partition, app.closing.clone()).await);
                }
                (Some(shared), interface) => {
                    let (shared, host, router) = (shared.clone(), partition.host.clone(), router(Arc::clone(&app)));
                    background.spawn(async move { shared.serve_hosts(&host, &router).await });
                    if let Some(interface) = interface {
                        background.spawn(interface.clone().serve_while_leading(Arc::clone(partition)));
                    }
                }
                (None, None) => {}
            }
        }
        Ok(Self { app, close, nats: serving, background })
    }

    /// Serves HTTP on `listener` until `shutdown` completes. The host itself stays open: the caller closes it.
    ///
    /// # Errors
    /// Fails when the listener's address cannot be read. An error on one connection ends only that connection.
    pub async fn serve(mut self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        tracing::info!(address = %listener.local_addr()?, "listening");
        let fast_path = Arc::new(FastPath::new(Arc::clone(&self.app)));
        let answer = move |request, state| {
            let fast_path = Arc::clone(&fast_path);
            async move { fast_path.answer(request, state).await }
        };
        let mut open = accept_until(&listener, &self.app.connections, answer, &self.app.closing, shutdown).await;
        drop(listener);
        self.close.send_replace(true);
        let nats = async {
            if let Some(nats) = self.nats {
                nats.end(DRAIN_WAIT_MAX).await;
            }
        };
        let drain = tokio::time::timeout(DRAIN_WAIT_MAX, async { while open.join_next().await.is_some() {} });
        let (drained, ()) = tokio::join!(drain, nats);
        if drained.is_err() {
            tracing::warn!("some requests took longer than {} s and were cut off", DRAIN_WAIT_MAX.as_secs());
        }
        let cut_off = async {
            open.shutdown().await;
            self.background.shutdown().await;
        };
        if tokio::time::timeout(CUT_OFF_WAIT_MAX, cut_off).await.is_err() {
            tracing::warn!("some requests that were cut off did not end within {} s", CUT_OFF_WAIT_MAX.as_secs());
        }
        Ok(())
    }
}
