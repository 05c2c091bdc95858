//! What a message says of its event beside the payload. The names are part of the interface: readers depend on them.

use async_nats::header::{NATS_EXPECTED_LAST_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::{HeaderMap, HeaderValue};
use polder_core::{ContentId, Event, Position};

const POSITION: &str = "Polder-Position";
const AGGREGATE_ID: &str = "Polder-Aggregate-Id";
const SEQUENCE: &str = "Polder-Sequence";
/// Milliseconds since 1970.
const TIME: &str = "Polder-Time-Ms";
const COMMAND_ID: &str = "Polder-Command-Id";
const CORRELATION_ID: &str = "Correlation-Id";
const CAUSATION_ID: &str = "Causation-Id";
const ACTOR: &str = "Actor";

/// The server takes the message only when its stream stands at `expected_last`.
pub(super) fn of(event: &Event, expected_last: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, event.id.to_string());
    headers.insert(NATS_EXPECTED_LAST_SEQUENCE, HeaderValue::from(expected_last));
    headers.insert(POSITION, HeaderValue::from(event.position.0));
    headers.insert(AGGREGATE_ID, event.aggregate_id.as_str());
    headers.insert(SEQUENCE, HeaderValue::from(event.sequence.0));
    headers.insert(TIME, HeaderValue::from(event.at_ms.0));
    headers.insert(COMMAND_ID, event.command_id.as_str());
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
