//! Carries out the steps of [`Publication`] for one tenant: reads the journal, sends batches, and waits for
//! confirmations.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::{PublishError, PublishErrorKind};
use async_nats::{Message, Subscriber};
use futures::StreamExt as _;
use polder_core::{DomainName, Event, Position, TenantName};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::answer::Answer;
use super::headers::{InBatch, Mark};
use super::messages::Messages;
use super::publication::{Publication, Published, Step, complete_up_to};
use super::stream::{BEFORE_ALL, End, EventStream, EventStreams, StreamError};
use super::trouble::Trouble;
use super::{History, Progress};
use crate::connection::{Connection, NotSent};

/// Events in one batch.
const EVENTS_PER_BATCH_MAX: usize = 512;
/// A batch ends with the event that reaches this number of messages. The server takes 1,000 messages in a batch, and
/// one event has 65 at most.
const MESSAGES_PER_BATCH: usize = 512;
/// A batch ends with the event that reaches this number of payload bytes.
const BYTES_PER_BATCH: usize = 1024 * 1024;
/// Time that a few events wait for more events. Without it, a journal that grows in small steps would cost a read and a
/// confirmation for each step.
const COLLECT_WAIT: Duration = Duration::from_millis(5);
/// Wall time after which an unconfirmed batch counts as lost.
const CONFIRMATION_WAIT_MAX: Duration = Duration::from_secs(5);
/// Interval of checks for a reconnect while a confirmation is awaited: a new connection has lost what was in flight.
const CONNECTION_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// Pause before a retry after NATS did not answer.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// Interval of checks whether the stream is complete and has the right settings.
const STREAM_CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// First and longest pause before a batch is sent again after another message took its place.
const REFUSED_PAUSE_MIN: Duration = Duration::from_millis(5);
const REFUSED_PAUSE_MAX: Duration = Duration::from_secs(1);
/// Refusals in a row after which an error is reported to the operator.
const REFUSALS_MAX: u32 = 20;
/// Time for which a history may be behind its own stream: a host that was frozen has to catch up first.
const BEHIND_WAIT_MAX: Duration = Duration::from_secs(10);

pub struct Publisher<H> {
    connection: Connection,
    history: H,
    stream: EventStream,
    publication: Publication,
    progress: Arc<Progress>,
    trouble: Trouble,
    /// Events that were read and are not sent yet.
    read: VecDeque<Event>,
    /// Messages of the next event that the stream already holds.
    held_of_next: usize,
    reading: Option<JoinHandle<Result<Vec<Event>, String>>>,
    /// Time when events were last collected.
    collected: Instant,
    /// Time when the stream was last checked.
    checked: Instant,
    /// Time since when the stream holds events that the history lacks.
    behind_since: Option<Instant>,
    /// Batches in a row that another message overtook.
    refusals: u32,
    inbox: String,
    confirmations: Subscriber,
}

/// Whether there is more to do.
#[derive(PartialEq, Eq)]
enum Goes {
    On,
    /// The tenant is gone, or the host is closed.
    Ended,
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
        let stream = EventStream::new(connection, tenant.clone(), history.id().to_owned(), options);
        let progress = Arc::<Progress>::default();
        Ok(Self {
            connection: connection.clone(),
            history,
            stream,
            publication: Publication::default(),
            trouble: Trouble::new(Arc::clone(&progress)),
            progress,
            read: VecDeque::new(),
            held_of_next: 0,
            reading: None,
            collected: Instant::now(),
            checked: Instant::now(),
            behind_since: None,
            refusals: 0,
            inbox,
            confirmations: confirmations.map_err(NotSent::new)?,
        })
    }

    /// Makes the tenant's stream unless it exists, and reads its end. After `Ok`, no other history has the tenant's
    /// name at these servers. [`run`](Self::run) does the same, and waits where this method fails.
    ///
    /// # Errors
    /// Fails if the stream cannot be used or belongs to another history, or if NATS does not answer.
    pub async fn claim(&mut self, domains: Vec<DomainName>) -> Result<(), StreamError> {
        self.stream.ensure(domains).await?;
        self.find_end().await
    }

    /// Logs the problem that keeps events from being published, once. Returns the pause before the next attempt.
    pub fn troubled(&mut self, error: &StreamError) -> Duration {
        match error {
            StreamError::Away(problem) => {
                tracing::debug!(stream = self.stream.name(), problem, "events wait for NATS");
                RETRY_PAUSE
            }
            error => self.trouble.report(error),
        }
    }

    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Publishes for as long as the tenant exists and the host is open. To end it earlier, drop the future: that equals
    /// a crash, and is harmless.
    pub async fn run(mut self) {
        loop {
            match self.advance().await {
                Ok(Goes::On) => {}
                Ok(Goes::Ended) => return,
                Err(error) => {
                    self.publication.lost();
                    let pause = self.troubled(&error);
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn advance(&mut self) -> Result<Goes, StreamError> {
        let step = self.publication.step(self.history.newest());
        let is_quiet = matches!(step, Step::Publish { .. } | Step::Rest);
        if is_quiet && self.checked.elapsed() >= STREAM_CHECK_INTERVAL {
            self.check().await?;
            return Ok(Goes::On);
        }
        match step {
            Step::FindEnd => self.find_end().await?,
            Step::Publish { after } => self.publish(after).await?,
            Step::AwaitConfirmation => self.await_confirmation().await?,
            Step::Rest => {
                self.trouble.is_over();
                let confirmed = self.publication.confirmed().unwrap_or(BEFORE_ALL);
                tokio::select! {
                    moved = self.history.moved_beyond(confirmed) => if !moved { return Ok(Goes::Ended) },
                    () = tokio::time::sleep_until(self.checked + STREAM_CHECK_INTERVAL) => {}
                }
            }
        }
        Ok(Goes::On)
    }

    /// Checks the stream, so that a change or a loss at the servers is noticed even while nothing is published.
    async fn check(&mut self) -> Result<(), StreamError> {
        self.checked = Instant::now();
        if !self.stream.is_whole().await? {
            self.publication.lost();
        }
        Ok(())
    }

    /// Reads the end of the stream, and checks that the stream holds this history.
    async fn find_end(&mut self) -> Result<(), StreamError> {
        self.progress.restart();
        self.checked = Instant::now();
        self.read.clear();
        self.reading = None;
        self.held_of_next = 0;
        let (end, foreign) = match self.stream.end().await? {
            End::Start => (Published::default(), 0),
            End::Foreign { sequence } => (Published { position: BEFORE_ALL, sequence }, sequence),
            End::Ours { mark, own_sequence, sequence } => {
                let position = mark.position;
                let (last, held) = self.locate(mark).await?;
                self.held_of_next = held;
                let foreign = match self.history.is_translated() {
                    // The number of messages of the earlier events is unknown without reading all of them.
                    true => sequence - own_sequence,
                    false => sequence.saturating_sub(position.0),
                };
                (Published { position: last, sequence }, foreign)
            }
        };
        if foreign > 0 {
            tracing::warn!(
                stream = self.stream.name(),
                foreign,
                "another client has published to the subjects of events: permit only the host to do that"
            );
        }
        self.publication.found(end);
        self.progress.confirm(end.position);
        Ok(())
    }

    /// Returns the last event of which the stream holds all messages if it ends with `end`, and the number of messages
    /// that it holds of the next event.
    async fn locate(&mut self, end: Mark) -> Result<(Position, usize), StreamError> {
        let before = Position(end.position.0.saturating_sub(1));
        let event = self.page(before).await?.into_iter().next().filter(|event| event.position == end.position);
        let messages = event.map(|event| Messages::of(event, &self.history, self.stream.name()));
        match messages {
            Some(messages) if end.number < messages.count() && messages.id(end.number) == end.id => {
                self.behind_since = None;
                Ok(complete_up_to(end.position, end.number, messages.count()))
            }
            None if self.history.newest() < end.position => Err(self.behind(end.position)),
            _ => {
                let what = if end.number == 0 { "the event" } else { "a translation of the event" };
                Err(self.stream.unusable(format!(
                    "it ends with another history of this tenant: {what} at position {} is not the one that is recorded there here. If what is \
                     recorded here is what counts, delete the stream (`nats stream rm {}`), and it is made and filled anew",
                    end.position,
                    self.stream.name()
                )))
            }
        }
    }

    /// Returns a temporary error first, and a lasting one later: then the history is probably an older copy.
    fn behind(&mut self, end: Position) -> StreamError {
        let newest = self.history.newest();
        let problem = format!("it holds events up to position {end}, and the history here ends at {newest}");
        match self.behind_since.get_or_insert_with(Instant::now).elapsed() < BEHIND_WAIT_MAX {
            true => StreamError::Away(problem),
            false => self.stream.unusable(format!("{problem}: is this host's data folder an older copy?")),
        }
    }

    async fn publish(&mut self, after: Published) -> Result<(), StreamError> {
        self.collect(after.position).await;
        self.read_on(after.position).await?;
        // `newest` is read before translations are requested: up to here they are known.
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
        let (batch_id, mut sent) = (uuid::Uuid::new_v4().simple().to_string(), 0);
        for (messages, number) in batch.iter().flat_map(|(messages, held)| messages.from(*held)) {
            if !self.stream.takes(messages.domain(number)) {
                self.stream.ensure([messages.domain(number).clone()]).await?;
            }
            sent += 1;
            let in_batch = InBatch { id: &batch_id, number: sent, count, expected_last: after.sequence };
            let headers = messages.headers(number, in_batch);
            let payload = messages.payload(number);
            let subject = messages.subject(number, self.stream.tenant());
            let client = self.connection.client();
            let done = match sent == count {
                true => {
                    let reply = format!("{}.{}", self.inbox, self.publication.epoch());
                    client.publish_with_reply_and_headers(subject, reply, headers, payload).await
                }
                false => client.publish_with_headers(subject, headers, payload).await,
            };
            done.map_err(|error| self.not_sent(messages.event().position, &error))?;
        }
        self.publication.sent(last, count as u64);
        Ok(())
    }

    /// Waits a moment, so that a few events become more.
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
                    "a message of the event at position {position} is larger than the server's max_payload, {} bytes: raise that",
                    self.connection.payload_bytes_max()
                ),
            },
            _ => StreamError::Away(error.to_string()),
        }
    }

    async fn await_confirmation(&mut self) -> Result<(), StreamError> {
        let (reconnects, began) = (self.connection.reconnects(), Instant::now());
        loop {
            match tokio::time::timeout(CONNECTION_CHECK_INTERVAL, self.confirmations.next()).await {
                Ok(Some(confirmation)) => return self.confirmed(&confirmation).await,
                Ok(None) => return Err(StreamError::Away("the connection is closed".to_owned())),
                Err(_) => {
                    let is_new = self.connection.reconnects() != reconnects;
                    if is_new || began.elapsed() > CONFIRMATION_WAIT_MAX {
                        return Err(StreamError::Away("what was sent is not confirmed".to_owned()));
                    }
                }
            }
        }
    }

    async fn confirmed(&mut self, message: &Message) -> Result<(), StreamError> {
        let epoch = message.subject.rsplit('.').next().and_then(|epoch| epoch.parse().ok()).unwrap_or(0);
        if epoch != self.publication.epoch() {
            return Ok(());
        }
        match Answer::of(message) {
            Answer::Stored { sequence } => {
                self.publication.stored(epoch, sequence);
                self.refusals = 0;
                self.trouble.is_over();
                if let Some(confirmed) = self.publication.confirmed() {
                    self.progress.confirm(confirmed);
                }
                Ok(())
            }
            Answer::OutOfPlace(problem) => {
                tracing::debug!(stream = self.stream.name(), %problem, "the stream ends elsewhere");
                self.publication.refused(epoch);
                let pause = REFUSED_PAUSE_MIN.saturating_mul(1 << self.refusals.min(10)).min(REFUSED_PAUSE_MAX);
                self.refusals += 1;
                tokio::time::sleep(pause).await;
                match self.refusals {
                    ..REFUSALS_MAX => Ok(()),
                    _ => Err(self.stream.unusable(format!("it refuses events again and again: {problem}"))),
                }
            }
            Answer::Passing(problem) => Err(StreamError::Away(problem)),
            Answer::Refused(problem) => Err(self.stream.unusable(format!("it does not take events: {problem}"))),
        }
    }

    /// Makes sure that events are read, and that the next page is being read in the background.
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

/// Waits for a page. A cancelled read ended with its runtime, and the caller ends with that too.
async fn read(reading: JoinHandle<Result<Vec<Event>, String>>) -> Result<Vec<Event>, StreamError> {
    match reading.await.map_err(JoinError::try_into_panic) {
        Ok(page) => page.map_err(StreamError::Away),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_cancelled)) => std::future::pending().await,
    }
}
