//! The NATS face: commands by request-reply, events in a stream. What is asked and answered is what HTTP asks and answers, with the same
//! checks, headers and problem documents; only how it travels is another.

mod catchup;
mod commands;
mod counts;
mod history;
mod queries;
mod reply;
mod tenants;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use polder_bridge::events::{EventStreams, StreamError};
use polder_bridge::service::{Description, Service};
use polder_bridge::{Background, ConnectError, ConnectOptions, Connection, NotSent};
use polder_engine::ReadError;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::cluster::Role;
pub(crate) use counts::Counts;
use tenants::Tenants;

/// What is under way at shutdown may take this long.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(10);

/// Between two attempts to begin.
const START_PAUSE: Duration = Duration::from_secs(1);

/// Connections to NATS that nothing is done with yet.
#[derive(Clone)]
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

/// The face at work.
pub(crate) struct Serving {
    tenants: JoinHandle<()>,
    _service: Service,
}

/// Why the face is not at work.
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
        let events = opening.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?;
        Ok(Self { links: Links { requests, events, streams, background } })
    }

    /// Answers when it returns.
    pub(crate) async fn serve(self, app: &Arc<App>) -> Result<Serving, StartError> {
        let Self { links } = self;
        let counts = Arc::new(Counts::new(&links.requests, &links.events));
        let description = Description {
            name: "polder",
            version: env!("CARGO_PKG_VERSION"),
            text: "A host for business rules: commands in, events out",
            metadata: BTreeMap::new(),
        };
        let requests = links.requests.clone();
        let service = Service::start(&requests, description, counts.endpoints()).await?;
        let tenants = Tenants::serve(app, links, &counts).await?;
        requests.settle().await?;
        // Only one face is served by an app.
        let _ = app.nats.set(counts);
        Ok(Serving { tenants, _service: service })
    }
}

/// Of several hosts the one that owns the journal answers over NATS, wherever a client is.
pub(crate) async fn serve_while_leading(nats: Nats, app: Arc<App>, mut role: watch::Receiver<Role>) {
    loop {
        if role.wait_for(|role| *role == Role::Leading).await.is_err() {
            return;
        }
        let (close, closing) = watch::channel(false);
        let (host, verifier, cluster) = (app.host.clone(), Arc::clone(&app.verifier), app.cluster.clone());
        let term = Arc::new(App { host, verifier, closing, nats: OnceLock::new(), cluster });
        match nats.clone().serve(&term).await {
            Ok(serving) => {
                // Ends early only when the member has.
                let _ = role.wait_for(|role| *role != Role::Leading).await;
                close.send_replace(true);
                serving.end().await;
            }
            Err(error) => {
                tracing::error!(%error, "nothing is answered over NATS");
                let _ = tokio::time::timeout(START_PAUSE, role.wait_for(|role| *role != Role::Leading)).await;
            }
        }
    }
}

impl Serving {
    /// After the app has turned to closing: what is under way is answered.
    pub(crate) async fn end(self) {
        if tokio::time::timeout(DRAIN_WAIT_MAX, self.tenants).await.is_err() {
            tracing::warn!("some requests over NATS took longer than {} s and were cut off", DRAIN_WAIT_MAX.as_secs());
        }
    }
}
