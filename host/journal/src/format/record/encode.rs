//! Encodes a decision as a record, and computes the content ids of its events. It runs on many threads at once and
//! knows neither frames nor the tenant's position.

use polder_core::{ContentId, EventContent, Position, Sequence, TenantName, TimestampMs};

use super::seal::MARK_BYTES;
use super::{
    CHECKSUM_AT, FLAG_ACTOR, FLAG_CAUSATION, FLAG_CORRELATION, FLAG_HOPS, FLAG_REJECTED, FLAG_TRACEPARENT, LENGTH_AT,
    POSITION_AT, PREFIX_BYTES,
};
use crate::decision::{Decision, NewEvent, Outcome};
use crate::format::bytes::{put_number, put_text};
use crate::lookup_keys::{AggregateKey, CommandKey};

/// Typical size of a record's names, ids and numbers, in bytes, without events.
const HEAD_BYTES_TYPICAL: usize = 192;
/// Typical size of an event's name, version, content id and lengths, in bytes, without the payload.
const EVENT_HEAD_BYTES_TYPICAL: usize = 64;

/// A record ready to be written, with the fields that the writer needs.
#[derive(Debug, Clone)]
pub struct EncodedRecord {
    bytes: Vec<u8>,
    tenant: TenantName,
    aggregate: AggregateKey,
    command: CommandKey,
    sequence_before: Sequence,
    event_count: u32,
    at_ms: TimestampMs,
}

impl EncodedRecord {
    /// Encodes a decision. `aggregate` is the key of the decision's aggregate, which the caller has already computed.
    /// `previous` is the content id of the aggregate's last event, or [`ContentId::NONE`]. Returns the record and the
    /// id of the aggregate's last event after it, which is `previous` if the decision has no events.
    ///
    /// # Panics
    /// Panics if the record would exceed 4 GiB; the limits of every tenant keep it far below.
    pub fn encode(decision: &Decision, aggregate: AggregateKey, previous: &ContentId) -> (Self, ContentId) {
        let payload_bytes: usize = decision.events.iter().map(|event| event.payload.len()).sum();
        let capacity = HEAD_BYTES_TYPICAL + payload_bytes + EVENT_HEAD_BYTES_TYPICAL * decision.events.len();
        let mut bytes = Vec::with_capacity(capacity);
        bytes.resize(PREFIX_BYTES, 0);
        put_head(&mut bytes, decision);
        put_number(&mut bytes, decision.events.len() as u64);
        let mut head = *previous;
        for (event, sequence) in decision.events.iter().zip(decision.sequence_before.0 + 1..) {
            head = ContentId::of(&head, &content(decision, event, sequence));
            put_text(&mut bytes, event.name.as_str().as_bytes());
            put_number(&mut bytes, u64::from(event.version));
            bytes.extend_from_slice(head.digest());
            put_text(&mut bytes, &event.payload);
        }
        let length = u32::try_from(bytes.len()).expect("limits keep every record far below 4 GiB");
        bytes[LENGTH_AT..CHECKSUM_AT].copy_from_slice(&length.to_le_bytes());
        let tenant = &decision.tenant;
        debug_assert_eq!(aggregate, decision.aggregate_key(), "the key is that of another aggregate");
        let record = Self {
            bytes,
            tenant: tenant.clone(),
            aggregate,
            command: CommandKey::of(aggregate, &decision.command_id),
            sequence_before: decision.sequence_before,
            event_count: u32::try_from(decision.events.len()).expect("each event takes more than a byte"),
            at_ms: decision.at_ms,
        };
        (record, head)
    }

    pub fn tenant(&self) -> &TenantName {
        &self.tenant
    }

    pub fn aggregate(&self) -> AggregateKey {
        self.aggregate
    }

    pub fn command(&self) -> CommandKey {
        self.command
    }

    pub fn sequence_before(&self) -> Sequence {
        self.sequence_before
    }

    pub fn event_count(&self) -> u32 {
        self.event_count
    }

    pub fn at_ms(&self) -> TimestampMs {
        self.at_ms
    }

    /// Size of the record in a frame, in bytes.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the record to a frame, with the tenant's position filled in. A [`Sealer`](super::Sealer) then has to
    /// complete it.
    pub(crate) fn put(&self, frame: &mut Vec<u8>, position_before: Position) {
        let start = frame.len();
        frame.extend_from_slice(&self.bytes);
        frame[start + POSITION_AT..start + PREFIX_BYTES].copy_from_slice(&position_before.0.to_le_bytes());
    }
}

fn put_head(bytes: &mut Vec<u8>, decision: &Decision) {
    let (correlation, trail) = (own_correlation(decision), &decision.trail);
    let mut flags = 0;
    for (flag, present) in [
        (FLAG_REJECTED, matches!(decision.outcome, Outcome::Rejected(_))),
        (FLAG_CORRELATION, correlation.is_some()),
        (FLAG_CAUSATION, decision.causation_id.is_some()),
        (FLAG_ACTOR, decision.actor.is_some()),
        (FLAG_TRACEPARENT, trail.traceparent.is_some()),
        (FLAG_HOPS, trail.hops > 0),
    ] {
        flags |= if present { flag } else { 0 };
    }
    bytes.push(flags);
    put_text(bytes, decision.tenant.as_str().as_bytes());
    bytes.extend_from_slice(&[0; MARK_BYTES]);
    for text in [
        decision.domain.as_str(),
        decision.aggregate.as_str(),
        decision.aggregate_id.as_str(),
        decision.command_id.as_str(),
        decision.command_name.as_str(),
    ] {
        put_text(bytes, text.as_bytes());
    }
    let causation = decision.causation_id.as_ref().map(|id| id.as_str());
    for text in [correlation, causation, decision.actor.as_deref(), trail.traceparent.as_deref()].into_iter().flatten()
    {
        put_text(bytes, text.as_bytes());
    }
    if trail.hops > 0 {
        put_number(bytes, u64::from(trail.hops));
    }
    bytes.extend_from_slice(&decision.revision_mark);
    bytes.extend_from_slice(&decision.fingerprint.0.to_le_bytes());
    put_number(bytes, decision.at_ms.0);
    put_number(bytes, decision.sequence_before.0);
    if let Outcome::Rejected(reason) = &decision.outcome {
        put_text(bytes, reason.code.as_bytes());
        put_text(bytes, reason.message.as_bytes());
    }
}

/// The correlation id; `None` if it is equal to the command's id.
fn own_correlation(decision: &Decision) -> Option<&str> {
    let correlation = decision.correlation_id.as_ref()?.as_str();
    (correlation != decision.command_id.as_str()).then_some(correlation)
}

fn content<'a>(decision: &'a Decision, event: &'a NewEvent, sequence: u64) -> EventContent<'a> {
    EventContent {
        tenant: decision.tenant.as_str(),
        domain: decision.domain.as_str(),
        aggregate: decision.aggregate.as_str(),
        aggregate_id: decision.aggregate_id.as_str(),
        sequence,
        name: event.name.as_str(),
        version: event.version,
        at_ms: decision.at_ms.0,
        command_id: decision.command_id.as_str(),
        correlation_id: own_correlation(decision),
        causation_id: decision.causation_id.as_ref().map(|id| id.as_str()),
        actor: decision.actor.as_deref(),
        payload: &event.payload,
    }
}
