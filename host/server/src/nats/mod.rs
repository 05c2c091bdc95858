//! The NATS interface: commands by request-reply, events in a stream. Requests and replies are those of HTTP, with the
//! same checks, headers and problem documents; only the transport differs.

mod batches;
mod catchup;
mod commands;
mod counts;
mod history;
mod queries;
mod reply;
mod tenants;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use polder_engine::joined;
use polder_nats::events::EventStreams;
use polder_nats::service::{Description, Service};
use polder_nats::{Background, ConnectError, ConnectOptions, Connection, NotSent};
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::cluster::Role;
use crate::partitions::Partition;
pub(crate) use counts::Counts;
use tenants::Tenants;

/// How long requests that are under way at shutdown may still take.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(10);

/// How long a start waits for a server that answers slowly. The rest of the start goes on in the background.
const BEGIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// The pause between two attempts to start.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Open connections to NATS that serve nothing yet.
pub struct Nats {
    links: Links,
}

#[derive(Clone)]
struct Links {
    /// Malformed messages of callers can break this connection, so nothing else uses it.
    requests: Connection,
    events: Connection,
    streams: EventStreams,
    /// The runtime that publishes events.
    background: Arc<Background>,
}

/// The state that all parts of a host share to be served over NATS. Clones share it.
#[derive(Clone)]
pub(crate) struct Face {
    app: Arc<App>,
    links: Links,
    counts: Arc<Counts>,
    /// The NATS service, while at least one part is served.
    service: Arc<Mutex<Weak<Service>>>,
}

/// The state of one part while its tenants are served.
struct Term {
    app: Arc<App>,
    part: Arc<Partition>,
    /// Becomes true at the end of the term.
    closing: watch::Receiver<bool>,
}

/// The task that serves a part.
pub(crate) struct Serving(JoinHandle<()>);

/// Why serving a part cannot begin.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Nats(#[from] NotSent),
}

impl Nats {
    /// Connects to NATS. If the server is away, connects in the background.
    ///
    /// # Errors
    /// Fails within seconds. The error includes what to do about it.
    pub async fn connect(options: &ConnectOptions, streams: EventStreams) -> Result<Self, ConnectError> {
        let requests = Connection::open_or_wait(options, "polder requests").await?;
        if requests.is_up() {
            match requests.require_jetstream().await {
                // JetStream may be electing a leader.
                Err(error @ ConnectError::NoJetStreamAnswer { .. }) => {
                    tracing::warn!(%error, "waiting for JetStream")
                }
                found => found?,
            }
        }
        let background = Arc::new(Background::start("nats-events")?);
        let options = options.clone();
        let opening =
            background.handle().spawn(async move { Connection::open_or_wait(&options, "polder events").await });
        let events = joined(opening).await?;
        Ok(Self { links: Links { requests, events, streams, background } })
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts::new(&self.links.requests, &self.links.events)
    }
}

impl Face {
    pub(crate) fn new(nats: Nats, app: Arc<App>, counts: Arc<Counts>) -> Self {
        Self { app, links: nats.links, counts, service: Arc::default() }
    }

    /// Serves the part until `closing` becomes true, as soon as NATS is usable. If NATS is usable now, requests are
    /// answered when this returns, except for tenants in trouble.
    pub(crate) async fn serve(&self, part: &Arc<Partition>, closing: watch::Receiver<bool>) -> Serving {
        let (begun, has_begun) = oneshot::channel::<()>();
        let term = Term { app: Arc::clone(&self.app), part: Arc::clone(part), closing };
        let serving = Serving(tokio::spawn(self.clone().run(term, begun)));
        if self.links.requests.is_up() && self.links.events.is_up() {
            // An error means that serving has begun: the sender is dropped then.
            drop(tokio::time::timeout(BEGIN_WAIT_MAX, has_begun).await);
        }
        serving
    }

    async fn run(self, term: Term, begun: oneshot::Sender<()>) {
        let mut closing = term.closing.clone();
        let service = tokio::select! {
            service = self.begin(&term.part) => service,
            _ = closing.wait_for(|closing| *closing) => return,
        };
        let tenants = Tenants::serve(term, self.links.clone(), &self.counts).await;
        if let Err(error) = self.links.requests.settle().await {
            tracing::debug!(%error, "other servers may not know the host's subscriptions yet");
        }
        drop(begun);
        joined(tenants).await;
        drop(service);
    }

    /// Retries until NATS is usable.
    async fn begin(&self, part: &Partition) -> Arc<Service> {
        let mut reported = None;
        loop {
            let error = match self.try_begin().await {
                Ok(service) => return service,
                Err(error) => error.to_string(),
            };
            if reported.as_ref() != Some(&error) {
                tracing::info!(journal = %part.journal, error, "cannot serve tenants over NATS yet; retrying");
                reported = Some(error);
            }
            tokio::time::sleep(START_PAUSE).await;
        }
    }

    async fn try_begin(&self) -> Result<Arc<Service>, StartError> {
        self.links.requests.ready().await?;
        self.links.events.ready().await?;
        Ok(self.service().await?)
    }

    /// Returns the host's one service, which all its parts share.
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
        let service = Arc::new(Service::start(&self.links.requests, description, self.counts.endpoints()).await?);
        *there = Arc::downgrade(&service);
        Ok(service)
    }
}

/// Serves the part over NATS while this host owns its journal. Of several hosts only the owner answers, wherever the
/// client is connected.
pub(crate) async fn serve_while_leading(face: Face, part: Arc<Partition>, mut role: watch::Receiver<Role>) {
    loop {
        if role.wait_for(|role| *role == Role::Leading).await.is_err() {
            return;
        }
        let (close, closing) = watch::channel(false);
        let serving = face.serve(&part, closing).await;
        // Ends early only if the member thread has ended.
        let _ = role.wait_for(|role| *role != Role::Leading).await;
        close.send_replace(true);
        serving.end().await;
    }
}

impl Serving {
    /// Waits for the replies to requests under way, once the term is closing.
    pub(crate) async fn end(self) {
        if tokio::time::timeout(DRAIN_WAIT_MAX, self.0).await.is_err() {
            tracing::warn!("some requests over NATS took longer than {} s and were cut off", DRAIN_WAIT_MAX.as_secs());
        }
    }
}
