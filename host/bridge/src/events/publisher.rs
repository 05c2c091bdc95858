//! Carries out what [`Publication`] decides, for one tenant: reads the journal, sends, listens for confirmations.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::{PublishError, PublishErrorKind};
use async_nats::{Message, Subscriber};
use futures::{FutureExt as _, StreamExt as _};
use polder_core::{DomainName, Event, Position, TenantName};
use serde::Deserialize;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::headers::Mark;
use super::messages::Messages;
use super::publication::{Place, Publication, Step, complete_up_to};
use super::stream::{BEFORE_ALL, End, EventStream, EventStreams, StreamError};
use super::{History, Progress};
use crate::connection::{Connection, NotSent};

/// A confirmation is asked for at the end of each batch.
const EVENTS_PER_BATCH_MAX: usize = 128;
/// As above: with the event that brings a batch beyond, the batch ends.
const MESSAGES_PER_BATCH: usize = 256;
/// As above.
const BYTES_PER_BATCH: usize = 4 * 1024 * 1024;
/// A few events wait so long for more: a journal that grows by small steps would otherwise cost a read and a confirmation for each.
const COLLECT_WAIT: Duration = Duration::from_millis(5);
/// Wall time until what was sent counts as lost.
const CONFIRMATION_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often the connection is looked at meanwhile: one that was made anew has lost what was under way.
const CONNECTION_LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Until NATS is asked again after it did not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Until a stream that could not be used is looked at again.
const STALL_PAUSE: Duration = Duration::from_secs(10);

pub struct Publisher<H> {
    connection: Connection,
    history: H,
    stream: EventStream,
    publication: Publication,
    progress: Arc<Progress>,
    /// Read, and not sent yet.
    read: VecDeque<Event>,
    /// Messages of the next event that the stream holds already.
    held_of_next: usize,
    reading: Option<JoinHandle<Result<Vec<Event>, String>>>,
    /// When events were last collected.
    collected: Instant,
    /// Of the message that was sent last.
    last_id: Option<String>,
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
            held_of_next: 0,
            reading: None,
            collected: Instant::now(),
            last_id: None,
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

    /// Publishes for as long as the tenant is there and the host is open. To end it earlier, drop it: that is a crash, and harmless.
    pub async fn run(mut self) {
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
                        return;
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
        self.held_of_next = 0;
        let (place, strange) = match self.stream.end().await? {
            End::Start => (Place::default(), 0),
            End::Strange { sequence } => (Place { position: BEFORE_ALL, sequence }, sequence),
            End::Ours { mark, own_sequence, sequence } => {
                let position = mark.position;
                let (last, held) = self.place(mark).await?;
                self.held_of_next = held;
                let strange = match self.history.is_translated() {
                    // How many messages the events before have is not known without reading them all.
                    true => sequence - own_sequence,
                    false => sequence.saturating_sub(position.0),
                };
                (Place { position: last, sequence }, strange)
            }
        };
        if strange > 0 {
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

    /// The last event of which the stream holds all messages, when it ends with this one; and how many it holds of the next.
    async fn place(&self, end: Mark) -> Result<(Position, usize), StreamError> {
        let before = Position(end.position.0.saturating_sub(1));
        let event = self.page(before).await?.into_iter().next().filter(|event| event.position == end.position);
        let messages = event.map(|event| Messages::of(event, &self.history, self.stream.name()));
        match messages {
            Some(messages) if end.number < messages.count() && messages.id(end.number) == end.id => {
                Ok(complete_up_to(end.position, end.number, messages.count()))
            }
            _ => {
                let what = if end.number == 0 { "an event" } else { "a translation of the event" };
                let problem =
                    format!("it ends with {what} at position {} that this history does not hold", end.position);
                Err(self.stream.unusable(problem))
            }
        }
    }

    async fn publish(&mut self, after: Place) -> Result<(), StreamError> {
        self.collect(after.position).await;
        self.read_on(after.position).await?;
        // Before translations are asked for: of events up to here they are known.
        let newest = self.history.newest();
        let mut batch = Vec::new();
        let (mut count, mut bytes) = (0, 0);
        while batch.len() < EVENTS_PER_BATCH_MAX && count < MESSAGES_PER_BATCH && bytes < BYTES_PER_BATCH {
            let Some(event) = self.read.pop_front_if(|event| event.position <= newest) else { break };
            let messages = Messages::of(event, &self.history, self.stream.name());
            let held = std::mem::take(&mut self.held_of_next);
            count += messages.count() - held;
            bytes += messages.bytes();
            batch.push((messages, held));
        }
        let Some((last, _)) = batch.last() else {
            return Err(StreamError::Away("the history cannot be read that far".to_owned()));
        };
        let last = last.event().position;
        let (mut sent, epoch) = (0, self.publication.epoch());
        for (messages, number) in batch.iter().flat_map(|(messages, held)| messages.from(*held)) {
            if !self.stream.takes(messages.domain(number)) {
                self.stream.ensure([messages.domain(number).clone()]).await?;
            }
            let reply = (sent + 1 == count).then(|| format!("{}.{epoch}", self.inbox));
            let id = messages.id(number);
            let is_first = sent == 0 && self.publication.is_first();
            let expected_last_id = self.last_id.as_deref().filter(|_| !is_first);
            let headers = messages.headers(number, &id, after.sequence + sent as u64, expected_last_id);
            let payload = messages.payload(number);
            let subject = messages.subject(number, self.stream.tenant());
            let client = self.connection.client();
            let done = match reply {
                Some(reply) => client.publish_with_reply_and_headers(subject, reply, headers, payload).await,
                None => client.publish_with_headers(subject, headers, payload).await,
            };
            done.map_err(|error| self.not_sent(messages.event().position, &error))?;
            self.last_id = Some(id);
            sent += 1;
        }
        self.publication.sent(last, count as u64, bytes);
        // What has come meanwhile is looked at without waiting.
        while let Some(Some(confirmation)) = self.confirmations.next().now_or_never() {
            self.confirmed(&confirmation);
        }
        Ok(())
    }

    /// Lets a few events become more, at the price of a moment.
    async fn collect(&mut self, after: Position) {
        let waiting = self.history.newest().0.saturating_sub(after.0);
        if self.read.is_empty() && self.reading.is_none() && waiting < EVENTS_PER_BATCH_MAX as u64 {
            tokio::time::sleep_until(self.collected + COLLECT_WAIT).await;
        }
        self.collected = Instant::now();
    }

    fn not_sent(&self, position: Position, error: &PublishError) -> StreamError {
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => StreamError::Unusable {
                stream: self.stream.name().to_owned(),
                problem: format!(
                    "what is to be told of the event at position {position} is larger than the server's max_payload, {} bytes: raise that",
                    self.connection.payload_bytes_max()
                ),
            },
            _ => StreamError::Away(error.to_string()),
        }
    }

    async fn await_confirmation(&mut self) {
        let (reconnects, began) = (self.connection.reconnects(), Instant::now());
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
                Some(reading) => read(reading).await?.into(),
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

/// What was cancelled ended with its runtime, and whoever waits for it ends with that too.
async fn read(reading: JoinHandle<Result<Vec<Event>, String>>) -> Result<Vec<Event>, StreamError> {
    match reading.await.map_err(JoinError::try_into_panic) {
        Ok(page) => page.map_err(StreamError::Away),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}
