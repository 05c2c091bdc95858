//! Reads a record's bytes in place. Bytes from a disk can be anything, so inconsistent bytes cause an error and never a
//! panic.

use polder_core::{
    AggregateId, AggregateName, CommandId, ContentId, CorrelationId, DomainName, Event, EventContent, EventName,
    Fingerprint, Position, REVISION_MARK_BYTES, Reason, Sequence, TenantName, TimestampMs,
};
use serde_json::value::RawValue;

use super::{
    CHECKSUM_AT, FLAG_ACTOR, FLAG_CAUSATION, FLAG_CORRELATION, FLAG_HOPS, FLAG_REJECTED, FLAG_TRACEPARENT, FLAGS_KNOWN,
    LENGTH_AT, Opened, POSITION_AT, PREFIX_BYTES, RecordError, TENANT_AT, checksum, open,
};
use crate::format::bytes::Cursor;
use crate::keyring::Keyring;
use crate::lookup_keys::{AggregateKey, CommandKey};

/// Minimum size of an event in bytes: name and version of one byte each, no payload.
const EVENT_BYTES_MIN: u64 = 1 + 1 + 32 + 1;

fn bad(what: &str) -> RecordError {
    RecordError(what.to_owned())
}

/// A record, read in place.
#[derive(Debug, Clone, Copy)]
pub struct RecordView<'a> {
    bytes: &'a [u8],
    position_before: Position,
    tenant: &'a str,
    domain: &'a str,
    aggregate: &'a str,
    aggregate_id: &'a str,
    command_id: &'a str,
    command_name: &'a str,
    correlation_id: Option<&'a str>,
    causation_id: Option<&'a str>,
    actor: Option<&'a str>,
    traceparent: Option<&'a str>,
    hops: u32,
    revision_mark: [u8; REVISION_MARK_BYTES],
    fingerprint: Fingerprint,
    at_ms: TimestampMs,
    sequence_before: Sequence,
    reason: Option<(&'a str, &'a str)>,
    event_count: u32,
    events: Cursor<'a>,
}

impl<'a> RecordView<'a> {
    /// Reads the unsealed record at the start of `bytes`; more bytes may follow it. Does not verify the record's
    /// checksum: use it for bytes that were verified before, as those of a frame with a matching hash.
    pub fn read(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let length = length_of(bytes).ok_or_else(|| bad("its length is missing"))?;
        let bytes = bytes.get(..length).ok_or_else(|| bad("it is cut short"))?;
        let view = Self::fields(bytes).ok_or_else(|| bad("its fields do not fit together"))?;
        view.check_events()?;
        Ok(view)
    }

    /// Does the same as [`read`](Self::read), for bytes that were read before; does not check their events again.
    pub(crate) fn read_again(bytes: &'a [u8]) -> Self {
        let length = length_of(bytes).expect("the same bytes were read before");
        Self::fields(&bytes[..length]).expect("the same bytes were read before")
    }

    /// Whether the record at the start of `bytes` belongs to this tenant. Reads nothing else of it.
    pub(crate) fn is_of(bytes: &[u8], tenant: &TenantName) -> bool {
        let read = || Cursor::new(bytes.get(TENANT_AT..)?).blob();
        read() == Some(tenant.as_str().as_bytes())
    }

    fn fields(bytes: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        let (_length, _checksum) = (cursor.u32()?, cursor.u32()?);
        let position_before = Position(cursor.u64()?);
        let flags = cursor.byte()?;
        if flags & !FLAGS_KNOWN != 0 {
            return None;
        }
        let optional = |cursor: &mut Cursor<'a>, flag| match flags & flag {
            0 => Some(None),
            _ => cursor.text().map(Some),
        };
        Some(Self {
            bytes,
            position_before,
            tenant: {
                let tenant = cursor.text()?;
                let _mark = cursor.u32()?;
                tenant
            },
            domain: cursor.text()?,
            aggregate: cursor.text()?,
            aggregate_id: cursor.text()?,
            command_id: cursor.text()?,
            command_name: cursor.text()?,
            correlation_id: optional(&mut cursor, FLAG_CORRELATION)?,
            causation_id: optional(&mut cursor, FLAG_CAUSATION)?,
            actor: optional(&mut cursor, FLAG_ACTOR)?,
            traceparent: optional(&mut cursor, FLAG_TRACEPARENT)?,
            hops: match flags & FLAG_HOPS {
                0 => 0,
                _ => u32::try_from(cursor.number()?).ok()?,
            },
            revision_mark: cursor.array()?,
            fingerprint: Fingerprint(cursor.u64()?),
            at_ms: TimestampMs(cursor.number()?),
            sequence_before: Sequence(cursor.number()?),
            reason: match flags & FLAG_REJECTED {
                0 => None,
                _ => Some((cursor.text()?, cursor.text()?)),
            },
            event_count: {
                let count = cursor.number()?;
                let possible = cursor.rest().len() as u64 / EVENT_BYTES_MIN;
                u32::try_from(count).ok().filter(|_| count <= possible)?
            },
            events: cursor,
        })
    }

    /// Checks all events once, so that iterating over them later cannot fail.
    fn check_events(&self) -> Result<(), RecordError> {
        let count = u64::from(self.event_count);
        if self.position_before.0.checked_add(count).is_none() || self.sequence_before.0.checked_add(count).is_none() {
            return Err(bad("its position is beyond what can be counted"));
        }
        let mut cursor = self.events;
        for index in 0..self.event_count {
            next_event(&mut cursor).ok_or_else(|| RecordError(format!("its event {index} cannot be read")))?;
        }
        if cursor.rest().is_empty() { Ok(()) } else { Err(bad("more follows its last event")) }
    }

    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub fn tenant(&self) -> &'a str {
        self.tenant
    }

    pub fn domain(&self) -> &'a str {
        self.domain
    }

    pub fn aggregate(&self) -> &'a str {
        self.aggregate
    }

    pub fn aggregate_id(&self) -> &'a str {
        self.aggregate_id
    }

    pub fn command_id(&self) -> &'a str {
        self.command_id
    }

    pub fn command_name(&self) -> &'a str {
        self.command_name
    }

    /// The correlation id; the command's id if the caller sent none.
    pub fn correlation_id(&self) -> &'a str {
        self.correlation_id.unwrap_or(self.command_id)
    }

    pub fn causation_id(&self) -> Option<&'a str> {
        self.causation_id
    }

    pub fn actor(&self) -> Option<&'a str> {
        self.actor
    }

    pub fn revision_mark(&self) -> [u8; REVISION_MARK_BYTES] {
        self.revision_mark
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub fn at_ms(&self) -> TimestampMs {
        self.at_ms
    }

    /// Why the command was rejected; `None` when it was accepted.
    pub fn reason(&self) -> Option<Reason> {
        let (code, message) = self.reason?;
        Some(Reason { code: code.to_owned(), message: message.to_owned() })
    }

    pub fn sequence_before(&self) -> Sequence {
        self.sequence_before
    }

    /// The aggregate's sequence after the record.
    pub fn sequence(&self) -> Sequence {
        self.sequence_before.plus(u64::from(self.event_count))
    }

    pub fn position_before(&self) -> Position {
        self.position_before
    }

    /// Position of the record's last event; if it has no events, the tenant's last position when it was written.
    pub fn position(&self) -> Position {
        self.position_before.plus(u64::from(self.event_count))
    }

    pub fn event_count(&self) -> u32 {
        self.event_count
    }

    pub fn events(&self) -> Events<'a> {
        Events {
            cursor: self.events,
            left: self.event_count,
            position: self.position_before,
            sequence: self.sequence_before,
        }
    }

    /// The content id of the last event; `None` if there are no events.
    pub fn head(&self) -> Option<ContentId> {
        self.events().last().map(|event| event.id)
    }

    pub fn aggregate_key(&self) -> AggregateKey {
        AggregateKey::of_texts(self.tenant, self.domain, self.aggregate, self.aggregate_id)
    }

    pub fn command_key(&self) -> CommandKey {
        CommandKey::of_texts(self.aggregate_key(), self.command_id)
    }

    /// The content that the event's content id covers.
    pub fn content(&self, event: &EventView<'a>) -> EventContent<'a> {
        EventContent {
            tenant: self.tenant,
            domain: self.domain,
            aggregate: self.aggregate,
            aggregate_id: self.aggregate_id,
            sequence: event.sequence.0,
            name: event.name,
            version: event.version,
            at_ms: self.at_ms.0,
            command_id: self.command_id,
            correlation_id: self.correlation_id,
            causation_id: self.causation_id,
            actor: self.actor,
            payload: event.payload,
        }
    }

    /// Computes the content ids of all events again, starting from the previous event's id, and compares them. Returns
    /// the last one.
    pub fn check_content(&self, previous: &ContentId) -> Result<ContentId, RecordError> {
        let mut head = *previous;
        for event in self.events() {
            head = ContentId::of(&head, &self.content(&event));
            if head != event.id {
                let sequence = event.sequence;
                return Err(RecordError(format!("the content of its event {sequence} does not match the event's id")));
            }
        }
        Ok(head)
    }

    /// Converts the event to the form that clients see.
    pub fn to_event(&self, event: &EventView<'a>) -> Result<Event, RecordError> {
        let named = |error: polder_core::NameError| RecordError(error.to_string());
        let payload = std::str::from_utf8(event.payload).map_err(|_| bad("a payload is not UTF-8"))?;
        Ok(Event {
            id: event.id,
            position: event.position,
            domain: DomainName::new(self.domain).map_err(named)?,
            aggregate: AggregateName::new(self.aggregate).map_err(named)?,
            aggregate_id: AggregateId::new(self.aggregate_id).map_err(named)?,
            sequence: event.sequence,
            name: EventName::new(event.name).map_err(named)?,
            version: event.version,
            at_ms: self.at_ms,
            command_id: CommandId::new(self.command_id).map_err(named)?,
            correlation_id: CorrelationId::new(self.correlation_id()).map_err(named)?,
            causation_id: self.causation_id.map(CorrelationId::new).transpose().map_err(named)?,
            actor: self.actor.map(str::to_owned),
            traceparent: self.traceparent.map(str::to_owned),
            hops: self.hops,
            payload: RawValue::from_string(payload.to_owned()).map_err(|_| bad("a payload is not JSON"))?,
        })
    }
}

/// One event of a record, read in place.
#[derive(Debug, Clone, Copy)]
pub struct EventView<'a> {
    pub position: Position,
    pub sequence: Sequence,
    pub name: &'a str,
    pub version: u32,
    pub payload: &'a [u8],
    pub id: ContentId,
}

/// The events of a record, in order.
#[derive(Debug, Clone)]
pub struct Events<'a> {
    cursor: Cursor<'a>,
    left: u32,
    position: Position,
    sequence: Sequence,
}

impl<'a> Iterator for Events<'a> {
    type Item = EventView<'a>;

    fn next(&mut self) -> Option<EventView<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (name, version, id, payload) = next_event(&mut self.cursor)?;
        self.position = self.position.plus(1);
        self.sequence = self.sequence.plus(1);
        Some(EventView { position: self.position, sequence: self.sequence, name, version, payload, id })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for Events<'_> {}

fn next_event<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a str, u32, ContentId, &'a [u8])> {
    let name = cursor.text()?;
    let version = u32::try_from(cursor.number()?).ok()?;
    let id = ContentId::from_digest(cursor.array()?);
    Some((name, version, id, cursor.blob()?))
}

/// Verifies a record's own checksum, for bytes that are read without their frame. Call it before the record is opened.
pub(crate) fn check(record: &[u8]) -> Result<(), RecordError> {
    let length = length_of(record).filter(|length| *length == record.len()).ok_or_else(|| bad("it is cut short"))?;
    let expected = Cursor::new(&record[CHECKSUM_AT..POSITION_AT]).u32();
    if length < PREFIX_BYTES || expected != Some(checksum(record)) {
        return Err(bad("its checksum does not match"));
    }
    Ok(())
}

/// The length in the header of the record at the start of `bytes`, in bytes; `None` if it is impossible.
pub(crate) fn length_of(bytes: &[u8]) -> Option<usize> {
    let length = Cursor::new(bytes.get(LENGTH_AT..)?).u32()? as usize;
    (length >= PREFIX_BYTES).then_some(length)
}

/// A record with its own buffer. Its bytes were verified when it was read.
#[derive(Clone)]
pub struct RecordBuf {
    bytes: Box<[u8]>,
}

impl RecordBuf {
    /// Verifies and opens the record that lies at `address`; `None` if it is sealed with a key that is missing or
    /// cannot be used.
    pub(crate) fn new(mut bytes: Box<[u8]>, address: u64, keys: &Keyring) -> Result<Option<Self>, RecordError> {
        check(&bytes)?;
        if open(&mut bytes, address, keys)? == Opened::Closed {
            return Ok(None);
        }
        RecordView::read(&bytes)?;
        Ok(Some(Self { bytes }))
    }

    pub fn view(&self) -> RecordView<'_> {
        RecordView::read_again(&self.bytes)
    }
}

impl std::fmt::Debug for RecordBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}
