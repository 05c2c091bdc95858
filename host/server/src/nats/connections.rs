//! The host's connections to NATS: one for requests, one for events.

use std::sync::Arc;

use polder_engine::joined;
use polder_nats::events::EventStreams;
use polder_nats::service::REQUESTS_WAITING_MAX;
use polder_nats::{Background, ConnectError, ConnectOptions, Connection};

use super::metrics::NatsMetrics;

/// Open connections to NATS that serve nothing yet.
pub struct Nats {
    pub(super) connections: NatsConnections,
}

/// The connections in use. Clones share them.
#[derive(Clone)]
pub(super) struct NatsConnections {
    /// Malformed messages of callers can break this connection, so nothing else uses it.
    pub(super) requests: Connection,
    pub(super) events: Connection,
    pub(super) streams: EventStreams,
    /// The runtime that publishes events.
    pub(super) background: Arc<Background>,
}

impl Nats {
    /// Connects to NATS. If the server is away, connects in the background.
    ///
    /// # Errors
    /// Fails within seconds. The error includes what to do about it.
    pub async fn connect(options: &ConnectOptions, streams: EventStreams) -> Result<Self, ConnectError> {
        let bounded = ConnectOptions { subscription_messages_max: Some(REQUESTS_WAITING_MAX), ..options.clone() };
        let requests = Connection::open_or_wait(&bounded, "polder requests").await?;
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
        Ok(Self { connections: NatsConnections { requests, events, streams, background } })
    }

    pub(crate) fn metrics(&self) -> NatsMetrics {
        NatsMetrics::new(&self.connections.requests, &self.connections.events)
    }
}
