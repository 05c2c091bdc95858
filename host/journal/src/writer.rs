//! Appends records to the journal. Records become durable in the order given, with one sync per frame; a frame is
//! neither acknowledged nor visible to readers before its sync has returned.
//!
//! After a failed append there are two cases:
//! 1. None of the frame is in the journal, as when there was no space for it: the writer can be used on.
//! 2. Part of the frame may be in the journal: the writer is poisoned and writes nothing more.
//!
//! When a [`FrameLog`] keeps the journal, each frame is appended to that log instead of being synced, and copied into
//! the segments afterwards. So the copy is never ahead of the log.

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use foldhash::HashMap;
use polder_core::{Position, TenantName, TimestampMs};

use crate::active_segment::WriteError;
use crate::error::AppendError;
use crate::follower::writers_mark;
use crate::frame::{FRAME_BYTES_MAX, FrameBuilder, FrameKind, HEADER_BYTES};
use crate::frame_log::{FrameLog, LogError};
use crate::index::{DurableFrame, IndexedRecord, Place};
use crate::record::{Keystream, Sealer};
use crate::tail::Tail;
use crate::{EncodedRecord, Follower};

pub struct Writer {
    tail: Tail,
    /// The log that makes a frame durable; `None` if the segments do.
    log: Option<Box<dyn FrameLog>>,
    positions: HashMap<TenantName, Position>,
    builder: FrameBuilder,
    epoch: u64,
    /// Random number of this writer, unique among writers; see [`Sealer`].
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
    /// Total size of the frames.
    pub bytes: u64,
}

impl Writer {
    pub(crate) fn new(tail: Tail, epoch: u64, mark: u32, log: Option<Box<dyn FrameLog>>) -> Self {
        let positions = tail.shared.index.positions();
        let (builder, keystream) = Default::default();
        Self { tail, log, positions, builder, epoch, mark, keystream, poisoned: None }
    }

    /// Makes the records durable, in their order: in one frame if they fit, otherwise in several, with one sync per
    /// frame. A frame is written only after the previous one is durable; recovery needs this to distinguish a torn end
    /// from damage.
    ///
    /// # Errors
    /// 1. After [`AppendError::NoRoom`] and [`AppendError::Key`] the first records may be durable; the error holds
    ///    which. The others are not in the journal, and the writer can be used on.
    /// 2. After any other error none of these records may be acknowledged, though some may turn out to be durable when
    ///    the journal is opened again. All later appends fail with [`AppendError::Poisoned`].
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

    /// Makes room for the next frame if there is none. Call this after [`AppendError::NoRoom`], to find out whether an
    /// append would have room now.
    ///
    /// # Errors
    /// The same as for [`Writer::append`].
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

    /// The time of the last frame. No record in the journal is newer, even if the machine's clock was set back since.
    pub fn newest_at_ms(&self) -> TimestampMs {
        self.tail.at_ms
    }

    /// Turns the writer into a follower, which copies what other hosts append. Writes nothing to the journal.
    pub fn into_follower(self) -> Follower {
        Follower::new(self.tail)
    }

    /// Writes a closing frame and brings the index up to date. A torn last frame can then only be the closing frame
    /// itself. Readers can still read.
    ///
    /// # Errors
    /// The same as for [`Writer::append`]. What was appended before is durable in any case.
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

    /// An index that cannot be written to disk grows in memory. This check keeps that growth bounded.
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
                // The next frame is written to the same address. With another mark it takes another keystream.
                self.mark = writers_mark().map_err(|source| AppendError::Io { what: "choose a mark", source })?;
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

    /// Resets the positions that were given to the records of a frame that was not written.
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
            // Room is made only once the log has taken the frame. If another host's frame takes its place in the log,
            // that frame may fit where this one does not.
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
                // The log has the frame already, so a failed copy does not undo the append.
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

/// For an append of which nothing is durable yet; [`AppendError::having`] adds what is.
fn no_room(what: &'static str, source: io::Error) -> AppendError {
    AppendError::NoRoom { appended: Box::default(), what, source }
}

impl AppendError {
    /// Adds what became durable before the error.
    fn having(self, durable: Appended) -> Self {
        match self {
            Self::NoRoom { what, source, .. } => Self::NoRoom { appended: Box::new(durable), what, source },
            Self::Key { tenant, problem, .. } => Self::Key { appended: Box::new(durable), tenant, problem },
            other => other,
        }
    }
}

/// How many of the records fit into one frame. At least one, whatever its size.
fn fitting_one_frame(records: &[EncodedRecord]) -> usize {
    let mut bytes = HEADER_BYTES;
    let fits = records.iter().take_while(|record| {
        bytes += record.length();
        bytes <= FRAME_BYTES_MAX
    });
    fits.count().max(1)
}

/// Yields the index entry of each record of a frame.
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

/// The error with its source, because later errors report only this text.
fn describe(error: &AppendError) -> String {
    match error {
        AppendError::Io { what, source } => format!("cannot {what}: {source}"),
        AppendError::Log(LogError::Unavailable { source, .. }) => format!("{error}: {source}"),
        other => other.to_string(),
    }
}
