//! Commits a group of records as one frame: gives each record its position, seals it, and makes the frame durable with
//! one sync. The records are then in the index, where readers find them.
//!
//! When a [`FrameLog`] keeps the journal, the frame is appended to that log instead of being synced, and copied into
//! the segments afterwards. So the copy is never ahead of the log.

use std::collections::BTreeSet;
use std::io;
use std::time::Instant;

use foldhash::HashMap;
use polder_core::{Position, TenantName};

use super::outcome::{AppendError, Appended};
use super::tail::Tail;
use crate::disk::is_whole_sectors;
use crate::format::frame::{FRAME_BYTES_MAX, FrameBuilder, FrameKind, HEADER_BYTES};
use crate::format::record::{EncodedRecord, Keystream, Sealer, random_mark};
use crate::frame_log::FrameLog;
use crate::index::{DurableFrame, IndexedRecord, RecordLocation};
use crate::segments::active::WriteError;

pub(super) struct GroupCommit {
    pub(super) tail: Tail,
    /// The log that makes a frame durable; `None` if the segments do.
    pub(super) log: Option<Box<dyn FrameLog>>,
    positions: HashMap<TenantName, Position>,
    builder: FrameBuilder,
    epoch: u64,
    /// Random number of this writer, unique among writers; see [`Sealer`].
    mark: u32,
    keystream: Keystream,
}

/// How many of the records fit into one frame. At least one, whatever its size.
pub(super) fn fitting_one_frame(records: &[EncodedRecord]) -> usize {
    let mut bytes = HEADER_BYTES;
    let fits = records.iter().take_while(|record| {
        bytes += record.length();
        bytes <= FRAME_BYTES_MAX
    });
    fits.count().max(1)
}

impl GroupCommit {
    pub(super) fn new(tail: Tail, epoch: u64, mark: u32, log: Option<Box<dyn FrameLog>>) -> Self {
        assert!(epoch >= tail.epoch, "a writer of epoch {epoch} cannot follow epoch {}", tail.epoch);
        let positions = tail.journal.index.positions();
        let (builder, keystream) = Default::default();
        Self { tail, log, positions, builder, epoch, mark, keystream }
    }

    /// Makes the records durable in one frame, and adds what it did to `appended`. After an error the frame's records
    /// have no positions, and are not in the index.
    pub(super) fn commit(&mut self, records: &[EncodedRecord], appended: &mut Appended) -> Result<(), AppendError> {
        debug_assert!(!records.is_empty(), "a frame of records has at least one");
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
                self.mark = random_mark().map_err(|source| AppendError::Io { what: "choose a mark", source })?;
                return Err(error);
            }
        };
        let journal = &self.tail.journal;
        journal.counters.frame(records.len() as u64, events, bytes);
        appended.frames += 1;
        appended.bytes += bytes;
        journal.index.apply(&frame, indexed(&frame, records, &appended.last_positions[from..]), &BTreeSet::new());
        debug_assert!(
            records
                .iter()
                .map(EncodedRecord::tenant)
                .all(|tenant| self.position_of(tenant) == journal.index.position(tenant)),
            "the writer and the index count a tenant's events alike"
        );
        self.tail.tidy().map_err(failed("sync the copy"))
    }

    /// Writes a closing frame, which holds no records.
    pub(super) fn commit_closing(&mut self) -> Result<(), AppendError> {
        self.builder.begin();
        self.write_frame(FrameKind::Closing, &[]).map(drop)
    }

    fn position_of(&self, tenant: &TenantName) -> Position {
        self.positions.get(tenant).copied().unwrap_or_default()
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

    /// Seals the records of the frame that the builder holds, completes the frame, and makes it durable.
    fn write_frame(&mut self, kind: FrameKind, records: &[EncodedRecord]) -> Result<DurableFrame, AppendError> {
        let length = self.builder.length() as u64;
        let address = self.next_address(length)?;
        debug_assert!(is_whole_sectors(address), "a frame begins at a sector's start");
        let newest = records.iter().map(EncodedRecord::at_ms).max().unwrap_or_default();
        let at_ms = self.tail.next_at_ms(newest);
        self.seal(records, address)?;
        let (bytes, link) = self.builder.finish(&self.tail.link, kind, self.epoch, address, at_ms);
        match &mut self.log {
            None => {
                self.tail.active.write(bytes).map_err(|error| AppendError::not_written("write a frame", error))?;
                let began = Instant::now();
                self.tail.active.sync().map_err(failed("sync a frame"))?;
                self.tail.journal.counters.sync(began.elapsed());
            }
            Some(log) => {
                let began = Instant::now();
                log.append(link.number, bytes)?;
                self.tail.journal.counters.sync(began.elapsed());
                // The log has the frame already, so a failed copy does not undo the append.
                self.tail.copy(bytes, address).map_err(io::Error::other).map_err(failed("copy a frame"))?;
            }
        }
        Ok(self.tail.written((link, self.epoch), at_ms, address, length))
    }

    /// The address of the next frame. Without a log, makes room there.
    fn next_address(&mut self, frame_bytes: u64) -> Result<u64, AppendError> {
        match &self.log {
            None => {
                let made = self.tail.active.make_room(frame_bytes).map_err(WriteError::before_writing);
                made.map_err(|error| AppendError::not_written("go on to a new segment", error))
            }
            // Room is made only once the log has taken the frame. If another host's frame takes its place in the log,
            // that frame may fit where this one does not.
            Some(_) => Ok(self.tail.active.next_address(frame_bytes)),
        }
    }

    /// Completes the records in a frame that will lie at `address`: seals those whose tenants have keys, and sets the
    /// checksums.
    fn seal(&mut self, records: &[EncodedRecord], address: u64) -> Result<(), AppendError> {
        let keys = &self.tail.journal.keys;
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
        debug_assert_eq!(offset, self.builder.length(), "the frame holds exactly the records of its group");
        Ok(())
    }
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> AppendError {
    move |source| AppendError::Io { what, source }
}

/// Yields the index entry of each record of a frame.
fn indexed<'a>(
    frame: &DurableFrame,
    records: &'a [EncodedRecord],
    last_positions: &'a [Position],
) -> impl Iterator<Item = IndexedRecord<'a>> {
    debug_assert_eq!(records.len(), last_positions.len(), "each record of the frame has a position");
    let mut address = frame.address + HEADER_BYTES as u64;
    records.iter().zip(last_positions).map(move |(record, last)| {
        let location = RecordLocation { address, length: record.length() as u32 };
        address += record.length() as u64;
        IndexedRecord {
            tenant: record.tenant(),
            aggregate: record.aggregate(),
            command: record.command(),
            sequence_before: record.sequence_before(),
            event_count: record.event_count(),
            position_before: Position(last.0 - u64::from(record.event_count())),
            location,
        }
    })
}
