//! The headers that describe the event of a message. Their names are part of the interface: readers depend on them.

use async_nats::header::{NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use polder_core::{Event, Position};

const POSITION: HeaderName = HeaderName::from_static("Polder-Position");
const AGGREGATE_ID: HeaderName = HeaderName::from_static("Polder-Aggregate-Id");
const SEQUENCE: HeaderName = HeaderName::from_static("Polder-Sequence");
/// Headers of a batch of which the server takes all messages or none: its id, the number of each message from 1, and
/// the mark of the last message.
const BATCH_ID: HeaderName = HeaderName::from_static("Nats-Batch-Id");
const BATCH_SEQUENCE: HeaderName = HeaderName::from_static("Nats-Batch-Sequence");
const BATCH_COMMIT: HeaderName = HeaderName::from_static("Nats-Batch-Commit");
/// Time in milliseconds since 1970.
const TIME: HeaderName = HeaderName::from_static("Polder-Time-Ms");
const CORRELATION_ID: HeaderName = HeaderName::from_static("Correlation-Id");
const CAUSATION_ID: HeaderName = HeaderName::from_static("Causation-Id");
const ACTOR: HeaderName = HeaderName::from_static("Actor");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Number of translations that lie behind the message, if there are any. A command that a message causes repeats it,
/// and so do that command's events. This detects loops.
const HOPS: HeaderName = HeaderName::from_static("Polder-Hops");
/// Number of a translation among those of its event, counted from 1.
const TRANSLATION: HeaderName = HeaderName::from_static("Polder-Translation");

/// Identity of a message in its stream.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Position of the event that was recorded.
    pub(super) position: Position,
    /// 0 is the event itself; higher numbers are its translations.
    pub(super) number: usize,
    pub(super) id: String,
}

/// Position of a message in its batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct InBatch<'a> {
    pub(super) id: &'a str,
    /// Counted from 1.
    pub(super) number: usize,
    pub(super) count: usize,
    /// The server takes the batch only if its stream ends with this sequence.
    pub(super) expected_last: u64,
}

/// Adds the headers that the server checks before it takes the message.
pub(super) fn put_in_batch(headers: &mut HeaderMap, batch: InBatch<'_>) {
    if batch.number == 1 {
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(batch.expected_last));
    }
    if batch.count > 1 {
        headers.insert(BATCH_ID, batch.id);
        headers.insert(BATCH_SEQUENCE, HeaderValue::from(batch.number as u64));
        if batch.number == batch.count {
            headers.insert(BATCH_COMMIT, "1");
        }
    }
}

/// Headers of an event. `id` is the event's.
pub(super) fn of(event: &Event, id: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, id);
    headers.insert(POSITION, HeaderValue::from(event.position.0));
    headers.insert(AGGREGATE_ID, event.aggregate_id.as_str());
    headers.insert(SEQUENCE, HeaderValue::from(event.sequence.0));
    headers.insert(TIME, HeaderValue::from(event.at_ms.0));
    headers.insert(CORRELATION_ID, event.correlation_id.as_str());
    if let Some(causation_id) = &event.causation_id {
        headers.insert(CAUSATION_ID, causation_id.as_str());
    }
    if let Some(actor) = &event.actor {
        headers.insert(ACTOR, actor.as_str());
    }
    if let Some(traceparent) = &event.traceparent {
        headers.insert(TRACEPARENT, traceparent.as_str());
    }
    if event.hops > 0 {
        headers.insert(HOPS, HeaderValue::from(u64::from(event.hops)));
    }
    headers
}

/// Headers of a translation: like [`of`], except that the event is the cause.
pub(super) fn of_translation(event: &Event, id: &str, (number, hops): (usize, u32)) -> HeaderMap {
    let mut headers = of(event, id);
    headers.insert(CAUSATION_ID, event.id.to_string());
    headers.insert(HOPS, HeaderValue::from(u64::from(hops)));
    headers.insert(TRANSLATION, HeaderValue::from(number as u64));
    headers
}

/// Reads the identity of a message. Returns `None` if another client published it.
pub(super) fn mark(headers: &HeaderMap) -> Option<Mark> {
    let position = headers.get(POSITION)?.as_str().parse().ok()?;
    let number = match headers.get(TRANSLATION) {
        Some(number) => number.as_str().parse().ok()?,
        None => 0,
    };
    let id = headers.get(NATS_MESSAGE_ID)?.as_str().to_owned();
    Some(Mark { position: Position(position), number, id })
}
