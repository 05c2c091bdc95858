//! The NATS face: commands by request-reply, events in a stream. What is asked and answered is what HTTP asks and answers, with the same
//! checks, headers and problem documents; only how it travels is another.

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

use polder_bridge::events::EventStreams;
use polder_bridge::service::{Description, Service};
use polder_bridge::{Background, ConnectError, ConnectOptions, Connection, NotSent};
use polder_engine::joined;
use tokio::sync::{Mutex, oneshot, watch};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::cluster::Role;
use crate::parts::Part;
pub(crate) use counts::Counts;
use tenants::Tenants;

/// What is under way at shutdown may take this long.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(10);

/// For a start with a server that answers slowly: what is left goes on in the background.
const BEGIN_WAIT_MAX: Duration = Duration::from_secs(5);
/// Between two attempts to begin.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Connections to NATS that nothing is done with yet.
pub struct Nats {
    links: Links,
}

#[derive(Clone)]
struct Links {
    /// Callers can break it with messages that are none, so nothing else goes over it.
    requests: Connection,
    events: Connection,
    streams: EventStreams,
    /// Where events are published.
    background: Arc<Background>,
}

/// What all parts of a host are served by. Clones share it.
#[derive(Clone)]
pub(crate) struct Face {
    app: Arc<App>,
    links: Links,
    counts: Arc<Counts>,
    /// There while some part is served.
    service: Arc<Mutex<Weak<Service>>>,
}

/// One part, for as long as its tenants are served.
struct Term {
    app: Arc<App>,
    part: Arc<Part>,
    /// Turns true at its end.
    closing: watch::Receiver<bool>,
}

/// A part that is served.
pub(crate) struct Serving(JoinHandle<()>);

/// Why it is not.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Nats(#[from] NotSent),
}

impl Nats {
    /// A server that is away is waited for in the background.
    ///
    /// # Errors
    /// Within seconds, with what to do about it.
    pub async fn connect(options: &ConnectOptions, streams: EventStreams) -> Result<Self, ConnectError> {
        let requests = Connection::open_or_wait(options, "polder requests").await?;
        if requests.is_up() {
            match requests.require_jetstream().await {
                // It may be choosing a leader.
                Err(error @ ConnectError::NoJetStreamAnswer { .. }) => {
                    tracing::warn!(%error, "JetStream is waited for")
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

    /// Serves the part until `closing` turns true, from when NATS can be used on. Where it can be used now, requests are answered when this
    /// returns, but for those of tenants that are in trouble.
    pub(crate) async fn serve(&self, part: &Arc<Part>, closing: watch::Receiver<bool>) -> Serving {
        let (begun, has_begun) = oneshot::channel::<()>();
        let term = Term { app: Arc::clone(&self.app), part: Arc::clone(part), closing };
        let serving = Serving(tokio::spawn(self.clone().run(term, begun)));
        if self.links.requests.is_up() && self.links.events.is_up() {
            // Ends with an error when it has begun: the sender is dropped then.
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

    /// Tries until NATS can be used.
    async fn begin(&self, part: &Part) -> Arc<Service> {
        let mut said = None;
        loop {
            let error = match self.try_begin().await {
                Ok(service) => return service,
                Err(error) => error.to_string(),
            };
            if said.as_ref() != Some(&error) {
                tracing::info!(journal = %part.journal, error, "its tenants are not answered over NATS yet; it is tried again");
                said = Some(error);
            }
            tokio::time::sleep(START_PAUSE).await;
        }
    }

    async fn try_begin(&self) -> Result<Arc<Service>, StartError> {
        self.links.requests.ready().await?;
        self.links.events.ready().await?;
        Ok(self.service().await?)
    }

    /// A host is one service, however many of its parts are served.
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

/// Of several hosts the one that owns a journal answers over NATS for its tenants, wherever a client is.
pub(crate) async fn serve_while_leading(face: Face, part: Arc<Part>, mut role: watch::Receiver<Role>) {
    loop {
        if role.wait_for(|role| *role == Role::Leading).await.is_err() {
            return;
        }
        let (close, closing) = watch::channel(false);
        let serving = face.serve(&part, closing).await;
        // Ends early only when the member has.
        let _ = role.wait_for(|role| *role != Role::Leading).await;
        close.send_replace(true);
        serving.end().await;
    }
}

impl Serving {
    /// After its term has turned to closing: what is under way is answered.
    pub(crate) async fn end(self) {
        if tokio::time::timeout(DRAIN_WAIT_MAX, self.0).await.is_err() {
            tracing::warn!("some requests over NATS took longer than {} s and were cut off", DRAIN_WAIT_MAX.as_secs());
        }
    }
}
