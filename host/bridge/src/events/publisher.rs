//! Carries out what [`Publication`] decides, for one tenant: reads the journal, sends, listens for confirmations.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message, Subscriber};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use polder_core::{DomainName, Event, Position, TenantName, subject};
use serde::Deserialize;
use tokio::task::JoinHandle;

use super::publication::{Place, Publication, Step};
use super::stream::{BEFORE_ALL, End, EventStream, EventStreams, StreamError};
use super::{History, Progress, headers};
use crate::connection::{Connection, NotSent};

/// A confirmation is asked for at the end of each batch.
const EVENTS_PER_BATCH_MAX: usize = 128;
/// Wall time until what was sent counts as lost.
const CONFIRMATION_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often the connection is looked at meanwhile: one that was made anew has lost what was under way.
const CONNECTION_LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Until NATS is asked again after it did not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Until a stream that could not be used is looked at again.
const STALL_PAUSE: Duration = Duration::from_secs(10);

/// The history cannot be read any more: the tenant is gone, or the host is closing.
#[derive(Debug)]
pub struct Stopped;

pub struct Publisher<H> {
    connection: Connection,
    history: H,
    stream: EventStream,
    publication: Publication,
    progress: Arc<Progress>,
    /// Read, and not sent yet.
    read: VecDeque<Event>,
    reading: Option<JoinHandle<Result<Vec<Event>, String>>>,
    inbox: String,
    confirmations: Subscriber,
}

/// What JetStream answers to a message.
#[derive(Deserialize)]
struct Confirmation {
    #[serde(default)]
    seq: u64,
    error: Option<serde_json::Value>,
}

impl<H: History> Publisher<H> {
    pub async fn new(
        connection: &Connection,
        tenant: &TenantName,
        history: H,
        options: &EventStreams,
    ) -> Result<Self, NotSent> {
        let inbox = connection.client().new_inbox();
        let confirmations = connection.client().subscribe(format!("{inbox}.*")).await;
        Ok(Self {
            connection: connection.clone(),
            history,
            stream: EventStream::new(connection, tenant.clone(), options),
            publication: Publication::default(),
            progress: Arc::default(),
            read: VecDeque::new(),
            reading: None,
            inbox,
            confirmations: confirmations.map_err(NotSent::new)?,
        })
    }

    /// Looks at the tenant's stream, and makes it where there are domains and it is not there. [`run`](Self::run) does so too, and
    /// waits where this fails.
    ///
    /// # Errors
    /// When the stream cannot be used, or NATS does not answer.
    pub async fn check(&mut self, domains: Vec<DomainName>) -> Result<(), StreamError> {
        self.stream.ensure(domains).await?;
        self.find_end().await
    }

    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Publishes for as long as there is a history. To end it earlier, drop it: that is a crash, and harmless.
    pub async fn run(mut self) -> Stopped {
        loop {
            let worked = match self.publication.step(self.history.newest()) {
                Step::FindEnd => self.find_end().await,
                Step::Publish { after } => self.publish(after).await,
                Step::AwaitConfirmation => {
                    self.await_confirmation().await;
                    Ok(())
                }
                Step::Rest => {
                    let confirmed = self.publication.confirmed().unwrap_or(BEFORE_ALL);
                    if !self.history.moved_beyond(confirmed).await {
                        return Stopped;
                    }
                    Ok(())
                }
            };
            if let Some(confirmed) = self.publication.confirmed() {
                self.progress.confirm(confirmed);
            }
            match worked {
                Ok(()) => {}
                Err(StreamError::Away(problem)) => {
                    tracing::debug!(stream = self.stream.name(), problem, "events wait for NATS");
                    self.publication.lost();
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Err(error @ StreamError::Unusable { .. }) => {
                    tracing::error!(%error, "events of a tenant are not published");
                    self.publication.lost();
                    self.progress.stall(true);
                    tokio::time::sleep(STALL_PAUSE).await;
                }
            }
        }
    }

    /// Reads where the stream ends, and makes sure that it is this history that it holds.
    async fn find_end(&mut self) -> Result<(), StreamError> {
        self.progress.restart();
        self.read.clear();
        self.reading = None;
        let place = match self.stream.end().await? {
            End::Start => Place::default(),
            End::Strange { sequence } => Place { position: BEFORE_ALL, sequence },
            End::Event { place, id } => {
                let before = Position(place.position.0.saturating_sub(1));
                let page = self.page(before).await?;
                match page.first() {
                    Some(event) if event.position == place.position && event.id == id => place,
                    _ => {
                        let problem = format!(
                            "it ends with an event at position {} that this history does not hold",
                            place.position
                        );
                        return Err(self.stream.unusable(problem));
                    }
                }
            }
        };
        if place.sequence != place.position.0 {
            let strange = place.sequence.saturating_sub(place.position.0);
            tracing::warn!(
                stream = self.stream.name(),
                strange,
                "somebody else has published to subjects of events: let nobody but the host do that"
            );
        }
        self.progress.stall(false);
        self.publication.found(place);
        Ok(())
    }

    async fn publish(&mut self, after: Place) -> Result<(), StreamError> {
        self.read_on(after.position).await?;
        let count = self.read.len().min(EVENTS_PER_BATCH_MAX);
        if count == 0 {
            return Err(StreamError::Away("the history cannot be read that far".to_owned()));
        }
        let (mut bytes, epoch) = (0, self.publication.epoch());
        for number in 0..count {
            let Some(event) = self.read.pop_front() else { break };
            if !self.stream.takes(&event.domain) {
                self.stream.ensure([event.domain.clone()]).await?;
            }
            let reply = (number + 1 == count).then(|| format!("{}.{epoch}", self.inbox));
            bytes += event.payload.get().len();
            self.send(event, after.sequence + number as u64, reply).await?;
        }
        self.publication.sent(count as u64, bytes);
        // What has come meanwhile is looked at without waiting.
        while let Some(Some(confirmation)) = self.confirmations.next().now_or_never() {
            self.confirmed(&confirmation);
        }
        Ok(())
    }

    async fn send(&self, event: Event, expected_last: u64, reply: Option<String>) -> Result<(), StreamError> {
        let subject = subject::event(self.stream.tenant(), &event.domain, &event.aggregate, &event.name, event.version);
        let headers = headers::of(&event, expected_last);
        let position = event.position;
        let payload = Bytes::from(String::from(Box::<str>::from(event.payload)));
        let client = self.connection.client();
        let sent = match reply {
            Some(reply) => client.publish_with_reply_and_headers(subject, reply, headers, payload).await,
            None => client.publish_with_headers(subject, headers, payload).await,
        };
        sent.map_err(|error| match error.kind() {
            async_nats::client::PublishErrorKind::MaxPayloadExceeded => StreamError::Unusable {
                stream: self.stream.name().to_owned(),
                problem: format!(
                    "the event at position {position} is larger than the server's max_payload, {} bytes: raise that",
                    self.connection.payload_bytes_max()
                ),
            },
            _ => StreamError::Away(error.to_string()),
        })
    }

    async fn await_confirmation(&mut self) {
        let (reconnects, began) = (self.connection.reconnects(), tokio::time::Instant::now());
        loop {
            match tokio::time::timeout(CONNECTION_LOOK_INTERVAL, self.confirmations.next()).await {
                Ok(Some(confirmation)) => return self.confirmed(&confirmation),
                Ok(None) => return self.publication.lost(),
                Err(_) => {
                    let is_new = self.connection.reconnects() != reconnects;
                    if is_new || began.elapsed() > CONFIRMATION_WAIT_MAX {
                        return self.publication.lost();
                    }
                }
            }
        }
    }

    fn confirmed(&mut self, message: &Message) {
        let epoch = message.subject.rsplit('.').next().and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
        match serde_json::from_slice::<Confirmation>(&message.payload) {
            Ok(Confirmation { error: None, seq }) if message.status.is_none() => self.publication.stored(epoch, seq),
            Ok(Confirmation { error: Some(error), .. }) => {
                tracing::debug!(stream = self.stream.name(), %error, "the stream refused an event");
                self.publication.refused(epoch);
            }
            // Nobody has the subject: the stream is gone.
            _ => self.publication.refused(epoch),
        }
    }

    /// Sees to it that something is read, and that more is being read.
    async fn read_on(&mut self, after: Position) -> Result<(), StreamError> {
        if self.read.is_empty() {
            self.read = match self.reading.take() {
                Some(reading) => read(reading.await)?.into(),
                None => self.page(after).await?.into(),
            };
        }
        if self.reading.is_none()
            && self.read.len() <= EVENTS_PER_BATCH_MAX
            && let Some(last) = self.read.back()
            && last.position < self.history.newest()
        {
            let (history, after) = (self.history.clone(), last.position);
            self.reading = Some(tokio::spawn(async move { history.page(after).await }));
        }
        Ok(())
    }

    async fn page(&self, after: Position) -> Result<Vec<Event>, StreamError> {
        self.history.page(after).await.map_err(StreamError::Away)
    }
}

fn read(ended: Result<Result<Vec<Event>, String>, tokio::task::JoinError>) -> Result<Vec<Event>, StreamError> {
    match ended {
        Ok(page) => page.map_err(StreamError::Away),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
