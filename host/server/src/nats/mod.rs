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

use polder_bridge::events::{EventStreams, StreamError};
use polder_bridge::service::{Description, Service};
use polder_bridge::{Background, ConnectError, ConnectOptions, Connection, NotSent};
use polder_engine::{ReadError, joined};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::app::App;
use crate::cluster::Role;
use crate::parts::Part;
pub(crate) use counts::Counts;
use tenants::Tenants;

/// What is under way at shutdown may take this long.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(10);

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
pub(crate) struct Serving {
    tenants: JoinHandle<()>,
    _service: Arc<Service>,
}

/// Why it is not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Nats(#[from] NotSent),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    History(#[from] ReadError),
}

impl Nats {
    /// # Errors
    /// Within seconds, with what to do about it.
    pub async fn connect(options: &ConnectOptions, streams: EventStreams) -> Result<Self, ConnectError> {
        let requests = Connection::open(options, "polder requests").await?;
        requests.require_jetstream().await?;
        let background = Arc::new(Background::start("nats-events")?);
        let options = options.clone();
        let opening = background.handle().spawn(async move { Connection::open(&options, "polder events").await });
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

    /// Answers when it returns, until `closing` turns true.
    pub(crate) async fn serve(&self, part: &Arc<Part>, closing: watch::Receiver<bool>) -> Result<Serving, StartError> {
        let service = self.service().await?;
        let term = Term { app: Arc::clone(&self.app), part: Arc::clone(part), closing };
        let tenants = Tenants::serve(term, self.links.clone(), &self.counts).await?;
        self.links.requests.settle().await?;
        Ok(Serving { tenants, _service: service })
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
        match face.serve(&part, closing).await {
            Ok(serving) => {
                // Ends early only when the member has.
                let _ = role.wait_for(|role| *role != Role::Leading).await;
                close.send_replace(true);
                serving.end().await;
            }
            Err(error) => {
                tracing::error!(journal = %part.journal, %error, "its tenants are not answered over NATS");
                let _ = tokio::time::timeout(START_PAUSE, role.wait_for(|role| *role != Role::Leading)).await;
            }
        }
    }
}

impl Serving {
    /// After its term has turned to closing: what is under way is answered.
    pub(crate) async fn end(self) {
        if tokio::time::timeout(DRAIN_WAIT_MAX, self.tenants).await.is_err() {
            tracing::warn!("some requests over NATS took longer than {} s and were cut off", DRAIN_WAIT_MAX.as_secs());
        }
    }
}
