//! Accepts connections until shutdown, then waits a bounded time for the requests that are under way.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use polder_access::Verifier;
use rustix::io::Errno;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;
use crate::cluster;
use crate::connections::connection;
use crate::connections::descriptors::descriptors_max;
use crate::connections::open_connections::{Bounds, Connections};
use crate::http::access_keys;
use crate::http::fast_path::Front;
use crate::http::routes::router;
use crate::nats::{self, Face, Nats};
use crate::partitions::Partitions;

/// The longest time that requests under way at shutdown may still take.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// The pause after a failed accept, for example when descriptors run out. An evicted connection is closed meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Bytes that the system takes from the host for one connection before its client has taken them. By default it is
/// several MB, so that clients that never read would make the host fill them all at once.
const SEND_BUFFER_BYTES: u32 = 256 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1_024;

/// Listens for HTTP connections.
///
/// # Errors
/// Fails if the address cannot be used.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A host and its HTTP and NATS interfaces.
pub struct Server {
    app: Arc<App>,
    close: watch::Sender<bool>,
    nats: Option<nats::Serving>,
    /// Background tasks that run as long as the server.
    beside: JoinSet<()>,
}

impl Server {
    /// Starts the server. When this returns, the host answers over NATS if NATS is used and reachable.
    ///
    /// # Errors
    /// Fails when the host's keys cannot be read.
    pub async fn start(parts: Partitions, nats: Option<Nats>) -> io::Result<Self> {
        let (close, closing) = watch::channel(false);
        let verifier = Verifier::new(&access_keys::known(parts.first_host()).map_err(io::Error::other)?);
        let counts = nats.as_ref().map(|nats| Arc::new(nats.counts()));
        let memory = parts.first_host().memory().clone();
        let bounds = Bounds::new(descriptors_max(), memory.bytes_max());
        tracing::info!(
            connections_max = bounds.connections_max,
            connections_per_address_max = bounds.connections_per_address_max,
            descriptors_max = descriptors_max(),
            "bounds of connections"
        );
        let app = Arc::new(App {
            parts,
            verifier: Arc::new(verifier),
            keys_changed: watch::Sender::new(()),
            connections: Arc::new(Connections::new(bounds, memory.clone())),
            memory,
            closing,
            nats: counts.clone(),
        });
        let face = nats.zip(counts).map(|(nats, counts)| Face::new(nats, Arc::clone(&app), counts));
        let mut beside = JoinSet::new();
        let mut serving = None;
        if app.parts.company().is_some() {
            beside.spawn(access_keys::follow(Arc::clone(&app)));
        }
        for part in app.parts.all() {
            match (&part.cluster, &face) {
                (None, Some(face)) => {
                    serving = Some(face.serve(part, app.closing.clone()).await);
                }
                (Some(cluster), face) => {
                    beside.spawn(cluster::serve_hosts(Arc::clone(part), router(Arc::clone(&app))));
                    if let Some(face) = face {
                        beside.spawn(nats::serve_while_leading(face.clone(), Arc::clone(part), cluster.leading()));
                    }
                }
                (None, None) => {}
            }
        }
        Ok(Self { app, close, nats: serving, beside })
    }

    /// Serves HTTP on `listener` until `shutdown` completes. The host itself stays open: the caller closes it.
    ///
    /// # Errors
    /// Fails when the listener's address cannot be read. An error on one connection ends only that connection.
    pub async fn serve(mut self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        tracing::info!(address = %listener.local_addr()?, "listening");
        let connections = Arc::clone(&self.app.connections);
        let front = Arc::new(Front::new(Arc::clone(&self.app)));
        let mut open = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        let mut accept_fails = false;
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(ended) = open.join_next() => {
                    if let Err(error) = ended && error.is_panic() {
                        tracing::error!(%error, "a connection's task panicked");
                    }
                }
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => {
                        accept_fails = false;
                        match connections.admit(address.ip()) {
                            Some(place) => {
                                open.spawn(connection::serve(stream, place, Arc::clone(&front), self.app.closing.clone()));
                            }
                            None => connection::refuse(&stream),
                        }
                    }
                    Err(error) => {
                        // Logged once, until a connection is accepted again.
                        if !std::mem::replace(&mut accept_fails, true) {
                            tracing::warn!(%error, "cannot accept a connection");
                        }
                        // Only a lack of descriptors or memory is mended by fewer connections.
                        if matches!(
                            Errno::from_io_error(&error),
                            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM)
                        ) {
                            connections.evict_one();
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }

        drop(listener);
        self.close.send_replace(true);
        let nats = async {
            if let Some(nats) = self.nats {
                nats.end().await;
            }
        };
        let drain = tokio::time::timeout(DRAIN_WAIT_MAX, async { while open.join_next().await.is_some() {} });
        let (drained, ()) = tokio::join!(drain, nats);
        if drained.is_err() {
            tracing::warn!("some requests took longer than {} s and were cut off", DRAIN_WAIT_MAX.as_secs());
        }
        open.shutdown().await;
        self.beside.shutdown().await;
        Ok(())
    }
}
