//! Collects records of one tenant, computes the ids of their events, and makes a block of them. It runs on many threads
//! at once and does not know the tenant's position.

use super::super::body::{Content, SealedBlock};
use super::super::content_id::{EventContent, EventDigest, LogId};
use super::super::error::{FormatError, ensure, within};
use super::super::extensions::{Extensions, event_tag};
use super::super::identifier::Identifier;
use super::super::limits::{NUMBER_MAX, RECORD_BYTES_MAX, RECORDS_MAX, REFERENCE_MAX, SECTION_BYTES_MAX};
use super::super::sealing::{BlockKey, Nonce};
use super::super::shape::Shape;
use super::super::table::BlockKind;
use super::super::varint::{put_blob, put_number, zigzag};
use super::{
    CODE_BYTES_MAX, EVENTS_MAX, FLAG_EVENT_EXTENSIONS, FLAG_EVENTS_LISTED, FLAG_EXTENSIONS, FLAG_HOST_MADE,
    FLAG_REJECTED,
};

/// Records after which a block is finished: redaction writes a whole block again, and more records save little space.
const TARGET_RECORDS: u64 = 32;
/// Bytes after which a block is finished.
const TARGET_BYTES: usize = 8 * 1024;

/// A decision to be recorded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRecord<'a> {
    pub(crate) shape_number: u64,
    pub(crate) shape: &'a Shape,
    pub(crate) aggregate_id: Identifier<'a>,
    pub(crate) command: CommandOf<'a>,
    pub(crate) at_ms: u64,
    /// The aggregate's sequence before the command.
    pub(crate) sequence_before: u64,
    /// The id of the aggregate's last event. It is not used if there is none, or if the record has no events.
    pub(crate) previous: EventDigest,
    /// Code and message of the rejection.
    pub(crate) rejection: Option<(&'a str, &'a str)>,
    pub(crate) extensions: Extensions<'a>,
    pub(crate) events: &'a [NewEvent<'a>],
}

/// The id of the command, and what distinguishes it from another command with the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandOf<'a> {
    Caller {
        id: Identifier<'a>,
        fingerprint: u64,
    },
    /// The caller sent no id. So the command is never sent again, and needs no fingerprint.
    HostMade {
        id: [u8; 16],
    },
}

impl<'a> CommandOf<'a> {
    pub(crate) fn id(&self) -> Identifier<'a> {
        match self {
            Self::Caller { id, .. } => *id,
            Self::HostMade { id } => Identifier::Uuid { letter: None, bytes: *id },
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct NewEvent<'a> {
    /// Index of the event among those of the shape.
    pub(crate) kind: usize,
    pub(crate) payload: &'a [u8],
    pub(crate) extensions: Extensions<'a>,
}

/// The block that a replacement stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) frame_number: u64,
    pub(crate) block_index: u64,
}

#[derive(Debug)]
pub(crate) struct RecordsBuilder {
    kind: BlockKind,
    tenant: u64,
    log_id: LogId,
    section: Vec<u8>,
    digests: Vec<u8>,
    records: u64,
    events: u64,
    last_at_ms: u64,
}

impl RecordsBuilder {
    pub(crate) fn new(tenant: u64, log_id: LogId) -> Self {
        let (section, digests) = Default::default();
        Self { kind: BlockKind::Records, tenant, log_id, section, digests, records: 0, events: 0, last_at_ms: 0 }
    }

    /// For records that stand for those of an earlier block, in the same order.
    pub(crate) fn replacing(tenant: u64, log_id: LogId, replaced: Replaced) -> Self {
        let mut builder = Self { kind: BlockKind::Replacement, ..Self::new(tenant, log_id) };
        put_number(&mut builder.section, replaced.frame_number);
        put_number(&mut builder.section, replaced.block_index);
        builder
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Whether the block has the size at which it should be finished.
    pub(crate) fn is_full(&self) -> bool {
        self.records >= TARGET_RECORDS || self.section.len() >= TARGET_BYTES
    }

    /// Adds a record. Returns the id of its last event; `None` if it has no events.
    ///
    /// # Errors
    /// Fails if the record is beyond a limit, or does not fit beside the other records. The builder is then as before.
    pub(crate) fn add(&mut self, record: &NewRecord<'_>) -> Result<Option<EventDigest>, FormatError> {
        let (section, digests) = (self.section.len(), self.digests.len());
        let added = self.put(record).and_then(|head| {
            let bytes_max = if self.records == 0 { RECORD_BYTES_MAX } else { SECTION_BYTES_MAX };
            within("the length of a section", self.section.len() as u64, bytes_max)?;
            within("the number of records", self.records + 1, RECORDS_MAX)?;
            Ok(head)
        });
        match added {
            Ok(_) => {
                self.records += 1;
                self.events += record.events.len() as u64;
                self.last_at_ms = record.at_ms;
            }
            Err(_) => {
                self.section.truncate(section);
                self.digests.truncate(digests);
            }
        }
        added
    }

    /// Makes a block of the records, and begins the next one.
    ///
    /// # Errors
    /// Fails if there are no records.
    pub(crate) fn finish(&mut self, key: Option<(&BlockKey, Nonce)>) -> Result<SealedBlock, FormatError> {
        let Self { kind, tenant, records, events, section, digests, .. } = &*self;
        let content = Content { kind: *kind, tenant: *tenant, records: *records, events: *events, section, digests };
        let block = SealedBlock::new(&content, key)?;
        *self = Self::new(self.tenant, self.log_id);
        Ok(block)
    }

    fn put(&mut self, record: &NewRecord<'_>) -> Result<Option<EventDigest>, FormatError> {
        record.check()?;
        let flags = record.flags();
        let out = &mut self.section;
        put_number(out, flags);
        put_number(out, record.shape_number);
        put_number(out, zigzag(record.at_ms as i64 - self.last_at_ms as i64));
        put_number(out, record.sequence_before);
        record.aggregate_id.put(out);
        record.command.id().put(out);
        if let Some((code, message)) = record.rejection {
            put_blob(out, code.as_bytes());
            put_blob(out, message.as_bytes());
        }
        if flags & FLAG_EXTENSIONS != 0 {
            record.extensions.put(out);
        }
        if flags & FLAG_EVENTS_LISTED != 0 {
            put_number(out, record.events.len() as u64);
            record.events.iter().for_each(|event| put_number(out, event.kind as u64));
        }
        for event in record.events {
            if flags & FLAG_EVENT_EXTENSIONS != 0 {
                event.extensions.put(out);
            }
            put_blob(out, event.payload);
        }
        if record.is_chained() {
            self.digests.extend_from_slice(&record.previous);
        }
        if let CommandOf::Caller { fingerprint, .. } = record.command {
            self.digests.extend_from_slice(&fingerprint.to_le_bytes());
        }
        Ok(record.head(&self.log_id))
    }
}

impl NewRecord<'_> {
    /// Whether the record has events and does not begin its aggregate.
    fn is_chained(&self) -> bool {
        self.sequence_before > 0 && !self.events.is_empty()
    }

    fn check(&self) -> Result<(), FormatError> {
        within("the number of a shape", self.shape_number, REFERENCE_MAX)?;
        within("a time", self.at_ms, NUMBER_MAX)?;
        within("the number of events", self.events.len() as u64, EVENTS_MAX)?;
        within("a sequence", self.sequence_before, NUMBER_MAX - self.events.len() as u64)?;
        let code_bytes = self.rejection.map_or(0, |(code, _)| code.len() as u64);
        within("the length of a code", code_bytes, CODE_BYTES_MAX)?;
        for event in self.events {
            ensure(event.kind < self.shape.events.len(), "an event is not one of its shape")?;
            let is_redacted = event.extensions.get(event_tag::REDACTED).is_some();
            ensure(!is_redacted || event.payload.is_empty(), "a redacted event has a payload")?;
        }
        Ok(())
    }

    fn flags(&self) -> u64 {
        let is_listed = self.events.len() != self.shape.events.len()
            || self.events.iter().enumerate().any(|(at, event)| at != event.kind);
        let flags = [
            (FLAG_REJECTED, self.rejection.is_some()),
            (FLAG_HOST_MADE, matches!(self.command, CommandOf::HostMade { .. })),
            (FLAG_EXTENSIONS, !self.extensions.is_empty()),
            (FLAG_EVENTS_LISTED, is_listed),
            (FLAG_EVENT_EXTENSIONS, self.events.iter().any(|event| !event.extensions.is_empty())),
        ];
        flags.into_iter().filter(|(_, is_set)| *is_set).map(|(flag, _)| flag).sum()
    }

    /// The id of the last event.
    fn head(&self, log_id: &LogId) -> Option<EventDigest> {
        let mut head = None;
        for (event, sequence) in self.events.iter().zip(self.sequence_before + 1..) {
            let before = head.as_ref().or(self.is_chained().then_some(&self.previous));
            let content = EventContent {
                previous: before,
                log_id,
                shape: self.shape,
                kind: &self.shape.events[event.kind],
                aggregate_id: self.aggregate_id,
                sequence,
                at_ms: self.at_ms,
                command_id: self.command.id(),
                record_extensions: self.extensions,
                payload: event.payload,
                event_extensions: event.extensions,
            };
            head = Some(event.extensions.digest(event_tag::REDACTED).unwrap_or_else(|| content.digest()));
        }
        head
    }
}
