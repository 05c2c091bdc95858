//! Reads the records of a block in place, one after another. The bytes can be anything, so what contradicts the format
//! or the table is an error and never a panic.

use super::super::body::OpenedBody;
use super::super::content_id::{EventContent, EventDigest, LogId};
use super::super::error::{FormatError, ensure, within};
use super::super::extensions::{Extensions, Owner, event_tag};
use super::super::identifier::Identifier;
use super::super::limits::{NUMBER_MAX, RECORD_BYTES_MAX, REFERENCE_MAX};
use super::super::shape::{EventKind, Shape};
use super::super::table::{BlockEntry, BlockKind};
use super::super::varint::{Cursor, unzigzag};
use super::builder::{CommandOf, Replaced};
use super::{
    CODE_BYTES_MAX, EVENTS_MAX, FLAG_EVENT_EXTENSIONS, FLAG_EVENTS_LISTED, FLAG_EXTENSIONS, FLAG_HOST_MADE,
    FLAG_REJECTED, FLAGS_KNOWN,
};

/// The records of one block. `shapes` finds the shape of a number.
pub(crate) struct RecordsReader<'a, S> {
    section: Cursor<'a>,
    digests: Cursor<'a>,
    shapes: S,
    replaced: Option<Replaced>,
    records_left: u64,
    events_left: u64,
    position: u64,
    last_at_ms: u64,
}

/// A record, read in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordView<'a> {
    pub(crate) shape_number: u64,
    pub(crate) shape: &'a Shape,
    pub(crate) at_ms: u64,
    pub(crate) sequence_before: u64,
    /// The tenant's last position before the record.
    pub(crate) position_before: u64,
    pub(crate) aggregate_id: Identifier<'a>,
    pub(crate) command: CommandOf<'a>,
    /// The id of the aggregate's event before the first one of the record.
    pub(crate) previous: Option<EventDigest>,
    /// Code and message.
    pub(crate) rejection: Option<(&'a str, &'a str)>,
    pub(crate) extensions: Extensions<'a>,
    pub(crate) event_count: u64,
    /// The kinds of the events; `None` if they are those of the shape.
    kinds: Option<Cursor<'a>>,
    events: Cursor<'a>,
    events_have_extensions: bool,
}

/// One event of a record, read in place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventView<'a> {
    pub(crate) kind: &'a EventKind,
    pub(crate) position: u64,
    pub(crate) sequence: u64,
    pub(crate) payload: &'a [u8],
    pub(crate) extensions: Extensions<'a>,
}

impl<'a, S: Fn(u64) -> Option<&'a Shape>> RecordsReader<'a, S> {
    pub(crate) fn new(entry: &BlockEntry, opened: &'a OpenedBody, shapes: S) -> Result<Self, FormatError> {
        let mut section = Cursor::new("a block of records", &opened.section);
        let mut replaced = None;
        if entry.kind == BlockKind::Replacement {
            let frame_number = section.number_to("the number of a frame", NUMBER_MAX)?;
            replaced = Some(Replaced { frame_number, block_index: section.number_to("a block", u64::from(u16::MAX))? });
        }
        Ok(Self {
            section,
            digests: Cursor::new("the digests of a block", &opened.digests),
            shapes,
            replaced,
            records_left: entry.records,
            events_left: entry.events,
            position: entry.position_before,
            last_at_ms: 0,
        })
    }

    /// The block whose records these replace.
    pub(crate) fn replaced(&self) -> Option<Replaced> {
        self.replaced
    }

    /// The next record; `None` at the end. After an error the records before it are good, and no further ones follow.
    ///
    /// # Errors
    /// Fails if the bytes are not a record, or if the block is not as the table announces it.
    pub(crate) fn next(&mut self) -> Result<Option<RecordView<'a>>, FormatError> {
        let Some(left) = self.records_left.checked_sub(1) else {
            ensure(self.events_left == 0, "a block has fewer events than the table announces")?;
            self.section.end()?;
            self.digests.end()?;
            return Ok(None);
        };
        let record = self.record()?;
        let events_left = self.events_left.checked_sub(record.event_count);
        self.events_left =
            events_left.ok_or(FormatError::Malformed("a block has more events than the table announces"))?;
        (self.records_left, self.last_at_ms) = (left, record.at_ms);
        self.position += record.event_count;
        Ok(Some(record))
    }

    fn record(&mut self) -> Result<RecordView<'a>, FormatError> {
        let section = &mut self.section;
        let flags = section.number()?;
        if flags & !FLAGS_KNOWN != 0 {
            return Err(FormatError::Unknown { what: "the flags of a record", number: flags });
        }
        let shape_number = section.number_to("the number of a shape", REFERENCE_MAX)?;
        let shape =
            (self.shapes)(shape_number).ok_or(FormatError::Malformed("the shape of a record is not defined"))?;
        let at_ms = self.last_at_ms.checked_add_signed(unzigzag(section.number()?));
        let at_ms = at_ms.ok_or(FormatError::Malformed("a record has a time before 1970"))?;
        within("a time", at_ms, NUMBER_MAX)?;
        let sequence_before = section.number_to("a sequence", NUMBER_MAX)?;
        let (aggregate_id, command_id) = (Identifier::read(section)?, Identifier::read(section)?);
        let rejection = match flags & FLAG_REJECTED {
            0 => None,
            _ => Some((
                section.text_to("the length of a code", CODE_BYTES_MAX)?,
                section.text_to("the length of a message", RECORD_BYTES_MAX)?,
            )),
        };
        let extensions = match flags & FLAG_EXTENSIONS {
            0 => Extensions::default(),
            _ => Extensions::read(section, Owner::Record)?,
        };
        let kinds = match flags & FLAG_EVENTS_LISTED {
            0 => None,
            _ => Some(listed_kinds(section, shape)?),
        };
        let event_count = kinds.map_or(shape.events.len() as u64, |(count, _)| count);
        within("a sequence", sequence_before + event_count, NUMBER_MAX)?;
        let mut record = RecordView {
            shape_number,
            shape,
            at_ms,
            sequence_before,
            position_before: self.position,
            aggregate_id,
            command: CommandOf::HostMade { id: [0; 16] },
            previous: None,
            rejection,
            extensions,
            event_count,
            kinds: kinds.map(|(_, kinds)| kinds),
            events: *section,
            events_have_extensions: flags & FLAG_EVENT_EXTENSIONS != 0,
        };
        *section = record.check_events()?;
        if event_count > 0 && sequence_before > 0 {
            record.previous = Some(self.digests.array()?);
        }
        record.command = self.command(flags, command_id)?;
        Ok(record)
    }

    fn command(&mut self, flags: u64, id: Identifier<'a>) -> Result<CommandOf<'a>, FormatError> {
        if flags & FLAG_HOST_MADE == 0 {
            return Ok(CommandOf::Caller { id, fingerprint: self.digests.u64()? });
        }
        match id {
            Identifier::Uuid { letter: None, bytes } => Ok(CommandOf::HostMade { id: bytes }),
            _ => Err(FormatError::Malformed("a command id that the host made is no UUID")),
        }
    }
}

/// Checks the list of kinds. Returns their number and where they begin.
fn listed_kinds<'a>(section: &mut Cursor<'a>, shape: &Shape) -> Result<(u64, Cursor<'a>), FormatError> {
    let count = section.number_to("the number of events", EVENTS_MAX)?;
    let begin = *section;
    let mut are_those_of_the_shape = count == shape.events.len() as u64;
    for index in 0..count {
        let kind = section.number()?;
        ensure(kind < shape.events.len() as u64, "an event is not one of its shape")?;
        are_those_of_the_shape &= kind == index;
    }
    ensure(!are_those_of_the_shape, "the events of a shape are listed")?;
    Ok((count, begin))
}

impl<'a> RecordView<'a> {
    /// Checks all events once, so that iterating over them later cannot fail. Returns what follows them.
    fn check_events(&self) -> Result<Cursor<'a>, FormatError> {
        let (mut cursor, mut have_extensions) = (self.events, false);
        for _ in 0..self.event_count {
            let (extensions, payload) = read_event(&mut cursor, self.events_have_extensions)?;
            have_extensions |= !extensions.is_empty();
            let is_redacted = extensions.get(event_tag::REDACTED).is_some();
            ensure(!is_redacted || payload.is_empty(), "a redacted event has a payload")?;
        }
        ensure(have_extensions == self.events_have_extensions, "a record announces extensions of events and has none")?;
        Ok(cursor)
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = EventView<'a>> + use<'a> {
        let Self { shape, sequence_before, position_before, events_have_extensions, .. } = *self;
        let (mut kinds, mut cursor) = (self.kinds, self.events);
        (0..self.event_count).map_while(move |index| {
            let kind = kinds.as_mut().map_or(Ok(index), Cursor::number).ok()?;
            let (extensions, payload) = read_event(&mut cursor, events_have_extensions).ok()?;
            Some(EventView {
                kind: shape.events.get(usize::try_from(kind).ok()?)?,
                position: position_before + index + 1,
                sequence: sequence_before + index + 1,
                payload,
                extensions,
            })
        })
    }

    /// Yields the content that the id of each event covers, and the id. Each id covers the id before it.
    pub(crate) fn each_id(&self, log_id: &LogId, mut each: impl FnMut(&EventView<'a>, &EventContent<'_>, EventDigest)) {
        let mut previous = self.previous;
        for event in self.events() {
            let content = EventContent {
                previous: previous.as_ref(),
                log_id,
                shape: self.shape,
                kind: event.kind,
                aggregate_id: self.aggregate_id,
                sequence: event.sequence,
                at_ms: self.at_ms,
                command_id: self.command.id(),
                record_extensions: self.extensions,
                payload: event.payload,
                event_extensions: event.extensions,
            };
            let digest = event.extensions.digest(event_tag::REDACTED).unwrap_or_else(|| content.digest());
            each(&event, &content, digest);
            previous = Some(digest);
        }
    }
}

fn read_event<'a>(cursor: &mut Cursor<'a>, have_extensions: bool) -> Result<(Extensions<'a>, &'a [u8]), FormatError> {
    let extensions = match (have_extensions, cursor.rest().first()) {
        (true, Some(0)) => {
            cursor.byte()?;
            Extensions::default()
        }
        (true, _) => Extensions::read(cursor, Owner::Event)?,
        (false, _) => Extensions::default(),
    };
    Ok((extensions, cursor.blob_to("the length of a payload", RECORD_BYTES_MAX)?))
}
