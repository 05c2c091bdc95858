//! What a message says of its event beside the payload. The names are part of the interface: readers depend on them.

use async_nats::header::{NATS_EXPECTED_LAST_MESSAGE_ID, NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::{HeaderMap, HeaderName, HeaderValue};
use polder_core::{ContentId, Event, Position};

const POSITION: HeaderName = HeaderName::from_static("Polder-Position");
const AGGREGATE_ID: HeaderName = HeaderName::from_static("Polder-Aggregate-Id");
const SEQUENCE: HeaderName = HeaderName::from_static("Polder-Sequence");
/// Milliseconds since 1970.
const TIME: HeaderName = HeaderName::from_static("Polder-Time-Ms");
const CORRELATION_ID: HeaderName = HeaderName::from_static("Correlation-Id");
const CAUSATION_ID: HeaderName = HeaderName::from_static("Causation-Id");
const ACTOR: HeaderName = HeaderName::from_static("Actor");

/// `id` is the event's. The server takes the message only when its stream stands at `expected_last`, and ends with a message of the id
/// that is expected.
pub(super) fn of(event: &Event, id: &str, expected_last: u64, expected_last_id: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(expected_last_id) = expected_last_id {
        headers.insert(NATS_EXPECTED_LAST_MESSAGE_ID, expected_last_id);
    }
    headers.insert(NATS_MESSAGE_ID, id);
    headers.insert(NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(expected_last));
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
    headers
}

/// Which event a message says it holds. `None`: somebody else has published it.
pub(super) fn event_of(headers: &HeaderMap) -> Option<(Position, ContentId)> {
    let position = headers.get(POSITION)?.as_str().parse().ok()?;
    let id = headers.get(NATS_MESSAGE_ID)?.as_str().parse().ok()?;
    Some((Position(position), id))
}
