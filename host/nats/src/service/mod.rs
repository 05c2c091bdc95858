//! Polder as a NATS service. Each request is answered once, and the service protocol (ADR-32: `$SRV.PING`, `INFO`,
//! `STATS`) reports which services run and what they did. Knows nothing of the requests' content.
//!
//! async-nats has a service of its own. It is not used: it sends errors without a body, takes a lock for each request,
//! and keeps endpoints that are gone.

mod endpoint;
mod protocol;
mod request_memory;
mod requests;

pub use endpoint::Endpoint;
pub use protocol::Description;
pub use request_memory::{NoMemory, RequestMemory};
pub use requests::{REQUESTS_WAITING_MAX, Reply, Request, Requests};

use std::sync::Arc;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures::stream::{SelectAll, StreamExt as _, select_all};
use serde::Serialize;

use crate::connection::{Connection, NotSent};
use protocol::Identity;

/// Answers requests of the service protocol until dropped.
pub struct Service {
    answering: tokio::task::JoinHandle<()>,
}

impl Service {
    pub async fn start(
        connection: &Connection,
        description: Description,
        endpoints: Vec<Arc<Endpoint>>,
    ) -> Result<Self, NotSent> {
        let identity = Identity::new(description);
        let mut subscriptions = Vec::new();
        for verb in ["PING", "INFO", "STATS"] {
            for subject in identity.subjects(verb) {
                subscriptions.push(connection.client().subscribe(subject).await.map_err(NotSent::new)?);
            }
        }
        let answering = tokio::spawn(report(connection.clone(), identity, endpoints, select_all(subscriptions)));
        Ok(Self { answering })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

async fn report(
    connection: Connection,
    identity: Identity,
    endpoints: Vec<Arc<Endpoint>>,
    mut subscriptions: SelectAll<Subscriber>,
) {
    while let Some(Message { subject, reply, .. }) = subscriptions.next().await {
        let Some(to) = reply.and_then(|reply| connection.reply_to(&subject, &reply)) else { continue };
        let answer = match subject.split('.').nth(1) {
            Some("PING") => json(&identity.ping()),
            Some("INFO") => json(&identity.info(&endpoints)),
            _ => json(&identity.stats(&endpoints)),
        };
        if let Err(error) = connection.answer(to, None, answer).await {
            tracing::debug!(%error, "an answer to a request about this service could not be sent");
        }
    }
}

fn json(answer: &impl Serialize) -> Bytes {
    serde_json::to_vec(answer).expect("texts and numbers always serialize").into()
}
