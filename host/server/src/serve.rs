//! Takes connections until told to stop, then lets what is under way finish for a bounded time.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use polder_access::Verifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::App;
use crate::cluster;
use crate::front::Front;
use crate::keys;
use crate::nats::{self, Face, Nats};
use crate::parts::Parts;
use crate::routes::router;

/// A connection may stay silent this long before, or within, the head of a request.
const HEAD_WAIT_MAX: Duration = Duration::from_secs(120);
/// What is under way at shutdown may take this long.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(10);
/// A pause when the system has no more file descriptors: without it the loop would spin until one is free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A host and the faces it is reached by.
pub struct Server {
    app: Arc<App>,
    close: watch::Sender<bool>,
    nats: Option<nats::Serving>,
    /// What goes on beside, for as long as the server is there.
    beside: JoinSet<()>,
}

impl Server {
    /// Answers over NATS when it returns, where NATS is used and there.
    ///
    /// # Errors
    /// When the host's keys cannot be read.
    pub async fn start(parts: Parts, nats: Option<Nats>) -> io::Result<Self> {
        let (close, closing) = watch::channel(false);
        let verifier = Verifier::new(&keys::known(parts.first_host()).map_err(io::Error::other)?);
        let counts = nats.as_ref().map(|nats| Arc::new(nats.counts()));
        let app = Arc::new(App { parts, verifier: Arc::new(verifier), closing, nats: counts.clone() });
        let face = nats.zip(counts).map(|(nats, counts)| Face::new(nats, Arc::clone(&app), counts));
        let mut beside = JoinSet::new();
        let mut serving = None;
        if app.parts.company().is_some() {
            beside.spawn(keys::follow(Arc::clone(&app)));
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

    /// Serves HTTP on `listener` until `shutdown` completes. The host itself stays open: closing it is the caller's.
    ///
    /// # Errors
    /// When the listener's address cannot be read. A connection that fails ends only itself.
    pub async fn serve(mut self, listener: TcpListener, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        let front = Arc::new(Front::new(self.app));
        let service = service_fn(move |request| {
            let front = Arc::clone(&front);
            async move { Ok::<_, Infallible>(front.answer(request).await) }
        });
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT_MAX).pipeline_flush(true);

        let graceful = GracefulShutdown::new();
        let mut connections = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        tracing::info!(address = %listener.local_addr()?, "listening");
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let connection = builder.serve_connection(TokioIo::new(without_delay(stream)), service.clone());
                        let watched = graceful.watch(connection);
                        connections.spawn(async move {
                            if let Err(error) = watched.await {
                                tracing::debug!(%error, "a connection ended early");
                            }
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
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
        let (drained, ()) = tokio::join!(tokio::time::timeout(DRAIN_WAIT_MAX, graceful.shutdown()), nats);
        if drained.is_err() {
            tracing::warn!("some requests took longer than {} s and were cut off", DRAIN_WAIT_MAX.as_secs());
        }
        connections.shutdown().await;
        self.beside.shutdown().await;
        Ok(())
    }
}

/// Answers are small and wanted at once.
fn without_delay(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot switch off delays on a connection");
    }
    stream
}
