//! The one that appends. Records become durable here, in the order given, one frame and one sync at a time; nothing is told
//! or shown before its sync came back. Where it is not certain what a failure left behind, nothing is written after it. Where nothing of a
//! frame is there, as when there was no space for it, the writer goes on.
//!
//! Where a [`FrameLog`] keeps the journal, a frame is handed to it instead of being synced, and copied into the segments after that: so the copy
//! is never ahead of what it is a copy of.

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use foldhash::HashMap;
use polder_core::{Position, TenantName, TimestampMs};

use crate::active_segment::WriteError;
use crate::error::AppendError;
use crate::frame::{FRAME_BYTES_MAX, FrameBuilder, FrameKind, HEADER_BYTES};
use crate::frame_log::{FrameLog, LogError};
use crate::index::{DurableFrame, IndexedRecord, Place};
use crate::record::{Keystream, Sealer};
use crate::tail::Tail;
use crate::{EncodedRecord, Follower};

pub struct Writer {
    tail: Tail,
    /// What makes a frame durable, unless the segments do.
    log: Option<Box<dyn FrameLog>>,
    positions: HashMap<TenantName, Position>,
    builder: FrameBuilder,
    epoch: u64,
    /// Of this writer alone: see [`Sealer`].
    mark: u32,
    keystream: Keystream,
    poisoned: Option<String>,
}

/// What an append made durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appended {
    /// The tenant's position after each record, in the order of the records.
    pub last_positions: Vec<Position>,
    pub frames: u64,
    /// Of the frames.
    pub bytes: u64,
}

impl Writer {
    pub(crate) fn new(tail: Tail, epoch: u64, mark: u32, log: Option<Box<dyn FrameLog>>) -> Self {
        let positions = tail.shared.index.positions();
        let (builder, keystream) = Default::default();
        Self { tail, log, positions, builder, epoch, mark, keystream, poisoned: None }
    }

    /// Makes the records durable, in their order: in one frame if they fit, with one sync per frame. A frame is written only
    /// after the one before it is durable; on that rests telling a torn end from damage.
    ///
    /// # Errors
    /// After [`AppendError::NoRoom`] and [`AppendError::Key`] the records at the front may be durable, as the error says, and all others are not in
    /// the journal. After any other error nothing of these records may be acknowledged, though a part may turn out to be durable at the next
    /// opening. All later appends give [`AppendError::Poisoned`].
    pub fn append(&mut self, records: &[EncodedRecord]) -> Result<Appended, AppendError> {
        self.guarded(|writer| {
            let mut appended = Appended { last_positions: Vec::with_capacity(records.len()), frames: 0, bytes: 0 };
            writer.check_index()?;
            let mut rest = records;
            while !rest.is_empty() {
                let (frame, after) = rest.split_at(fitting_one_frame(rest));
                if let Err(error) = writer.append_frame(frame, &mut appended) {
                    return Err(error.having(appended));
                }
                rest = after;
            }
            assert_eq!(appended.last_positions.len(), records.len(), "each record has a position");
            Ok(appended)
        })
    }

    /// Whether an append would have room now, which is made if need be: to be asked after [`AppendError::NoRoom`].
    ///
    /// # Errors
    /// As for [`Writer::append`].
    pub fn make_room(&mut self) -> Result<(), AppendError> {
        self.guarded(|writer| {
            writer.check_index()?;
            if writer.log.is_none() {
                let made = writer.tail.active.make_room(FRAME_BYTES_MAX as u64);
                made.map_err(|error| not_made("go on to a new segment", WriteError::before_writing(error)))?;
            }
            Ok(())
        })
    }

    /// The time of the last frame. No record in the journal is newer, also where the machine's clock was set back since.
    pub fn newest_at_ms(&self) -> TimestampMs {
        self.tail.at_ms
    }

    /// Appends no more, and takes over what others append. Nothing is written to say so.
    pub fn into_follower(self) -> Follower {
        Follower::new(self.tail)
    }

    /// Ends in order: writes a closing frame, so that everything before it lies in the middle, and brings the index up to date. Readers go
    /// on reading.
    ///
    /// # Errors
    /// As for [`Writer::append`]. What was appended before is durable in any case.
    pub fn close(mut self) -> Result<(), AppendError> {
        self.guarded(|writer| {
            writer.builder.begin();
            writer.write_frame(FrameKind::Closing, &[]).map(|_| ())
        })?;
        self.tail.close().map_err(|error| AppendError::Index { what: error.to_string() })
    }

    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, AppendError>) -> Result<T, AppendError> {
        if let Some(reason) = &self.poisoned {
            return Err(AppendError::Poisoned { reason: reason.clone() });
        }
        let result = work(self);
        if let Err(error) = &result
            && !matches!(error, AppendError::NoRoom { .. } | AppendError::Key { .. })
        {
            self.poisoned = Some(describe(error));
        }
        result
    }

    /// An index that cannot be written grows in memory; it may not do so for ever.
    fn check_index(&self) -> Result<(), AppendError> {
        let has_room = self.tail.shared.index.check_room();
        has_room.map_err(|error| no_room("bring the index up to date", io::Error::other(error)))
    }

    fn append_frame(&mut self, records: &[EncodedRecord], appended: &mut Appended) -> Result<(), AppendError> {
        let from = appended.last_positions.len();
        let mut events = 0;
        self.builder.begin();
        for record in records {
            let position = match self.positions.get_mut(record.tenant()) {
                Some(position) => position,
                None => self.positions.entry(record.tenant().clone()).or_default(),
            };
            self.builder.add_record(|bytes| record.put(bytes, *position));
            *position = position.plus(u64::from(record.event_count()));
            events += u64::from(record.event_count());
            appended.last_positions.push(*position);
        }
        let bytes = self.builder.length() as u64;
        let frame = match self.write_frame(FrameKind::Records, records) {
            Ok(frame) => frame,
            Err(error) => {
                self.take_back(records, &mut appended.last_positions, from);
                return Err(error);
            }
        };
        let shared = &self.tail.shared;
        shared.counters.frame(records.len() as u64, events, bytes);
        appended.frames += 1;
        appended.bytes += bytes;
        shared.index.apply(&frame, indexed(&frame, records, &appended.last_positions[from..]), &BTreeSet::new());
        self.tail.tidy().map_err(|source| AppendError::Io { what: "sync the copy", source })
    }

    /// The records of a frame that is not in the journal have no positions.
    fn take_back(&mut self, records: &[EncodedRecord], last_positions: &mut Vec<Position>, from: usize) {
        for record in records {
            if let Some(position) = self.positions.get_mut(record.tenant()) {
                position.0 -= u64::from(record.event_count());
            }
        }
        last_positions.truncate(from);
    }

    fn write_frame(&mut self, kind: FrameKind, records: &[EncodedRecord]) -> Result<DurableFrame, AppendError> {
        let length = self.builder.length() as u64;
        let failed = |what| move |source| AppendError::Io { what, source };
        let address = match &self.log {
            None => {
                let made = self.tail.active.make_room(length).map_err(WriteError::before_writing);
                made.map_err(|error| not_made("go on to a new segment", error))?
            }
            // Room is made once the frame is known to be the next: another host's may be, and may fit where this one does not.
            Some(_) => self.tail.active.next_address(length),
        };
        let keys = &self.tail.shared.keys;
        let newest = records.iter().map(EncodedRecord::at_ms).max().unwrap_or_default();
        let at_ms = self.tail.next_at_ms(newest);
        let (mut sealer, mut offset) = (Sealer::new(keys, self.mark, &mut self.keystream), HEADER_BYTES);
        for record in records {
            let bytes = self.builder.record(offset, record.length());
            sealer.complete(bytes, record.tenant(), address + offset as u64).map_err(|problem| AppendError::Key {
                appended: Box::default(),
                tenant: record.tenant().clone(),
                problem,
            })?;
            offset += record.length();
        }
        let (bytes, link) = self.builder.finish(&self.tail.link, kind, self.epoch, address, at_ms);
        match &mut self.log {
            None => {
                self.tail.active.write(bytes).map_err(|error| not_made("write a frame", error))?;
                let began = Instant::now();
                self.tail.active.sync().map_err(failed("sync a frame"))?;
                self.tail.shared.counters.sync(began.elapsed());
            }
            Some(log) => {
                let began = Instant::now();
                log.append(link.number, bytes)?;
                self.tail.shared.counters.sync(began.elapsed());
                // The log has it already: whatever becomes of the copy, it cannot be taken back.
                self.tail.copy(bytes, address).map_err(io::Error::other).map_err(failed("copy a frame"))?;
            }
        }
        Ok(self.tail.written((link, self.epoch), at_ms, address, length))
    }
}

fn not_made(what: &'static str, error: WriteError) -> AppendError {
    match error {
        WriteError::NoRoom(source) => no_room(what, source),
        WriteError::Unsure(source) => AppendError::Io { what, source },
    }
}

/// Before anything of the append is durable; see [`AppendError::having`].
fn no_room(what: &'static str, source: io::Error) -> AppendError {
    AppendError::NoRoom { appended: Box::default(), what, source }
}

impl AppendError {
    /// With what became durable before.
    fn having(self, durable: Appended) -> Self {
        match self {
            Self::NoRoom { what, source, .. } => Self::NoRoom { appended: Box::new(durable), what, source },
            Self::Key { tenant, problem, .. } => Self::Key { appended: Box::new(durable), tenant, problem },
            other => other,
        }
    }
}

/// How many of the records go into one frame: one at least.
fn fitting_one_frame(records: &[EncodedRecord]) -> usize {
    let mut bytes = HEADER_BYTES;
    let fits = records.iter().take_while(|record| {
        bytes += record.length();
        bytes <= FRAME_BYTES_MAX
    });
    fits.count().max(1)
}

/// Where each record of a frame lies.
fn indexed<'a>(
    frame: &DurableFrame,
    records: &'a [EncodedRecord],
    last_positions: &'a [Position],
) -> impl Iterator<Item = IndexedRecord<'a>> {
    let mut address = frame.address + HEADER_BYTES as u64;
    records.iter().zip(last_positions).map(move |(record, last)| {
        let place = Place { address, length: record.length() as u32 };
        address += record.length() as u64;
        IndexedRecord {
            tenant: record.tenant(),
            aggregate: record.aggregate(),
            command: record.command(),
            sequence_before: record.sequence_before(),
            event_count: record.event_count(),
            position_before: Position(last.0 - u64::from(record.event_count())),
            place,
        }
    })
}

/// With what lies behind it: the first failure is the one that tells what happened.
fn describe(error: &AppendError) -> String {
    match error {
        AppendError::Io { what, source } => format!("cannot {what}: {source}"),
        AppendError::Log(LogError::Unavailable { source, .. }) => format!("{error}: {source}"),
        other => other.to_string(),
    }
}
