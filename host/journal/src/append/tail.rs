//! The end of an open journal, where the next frame goes. The writer and the follower share it.

use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use polder_core::TimestampMs;

use crate::disk::whole_sectors;
use crate::format::frame::Link;
use crate::index::{DurableFrame, Flusher};
use crate::open_journal::OpenJournal;
use crate::segments::active::{ActiveSegment, WriteError};

pub(crate) struct Tail {
    pub(crate) journal: Arc<OpenJournal>,
    pub(crate) active: ActiveSegment,
    flusher: Flusher,
    /// The last frame.
    pub(crate) link: Link,
    /// Epoch of the last frame.
    pub(crate) epoch: u64,
    /// Time of the last frame. No record in the journal is newer.
    pub(crate) at_ms: TimestampMs,
}

impl Tail {
    pub(crate) fn new(
        journal: Arc<OpenJournal>,
        active: ActiveSegment,
        (link, epoch): (Link, u64),
        at_ms: TimestampMs,
    ) -> Self {
        let flusher = Flusher::start(&journal.index);
        Self { journal, active, flusher, link, epoch, at_ms }
    }

    /// Writes a frame that is durable elsewhere into the local copy, at the address given in its header.
    pub(crate) fn copy(&mut self, frame: &[u8], address: u64) -> Result<(), WriteError> {
        self.active.go_to(address, frame.len() as u64).map_err(WriteError::before_writing)?;
        self.active.write(frame)
    }

    /// The time of the next frame, whose newest record is of `newest_record`. Frame times never decrease, whatever the
    /// machine's clock does, and no frame is older than its records. So the time of the last frame is the newest time
    /// in the journal.
    pub(crate) fn next_at_ms(&self, newest_record: TimestampMs) -> TimestampMs {
        now_ms().max(self.at_ms).max(newest_record)
    }

    /// Makes the frame that was just written the last one, and returns its place for the index.
    pub(crate) fn written(
        &mut self,
        (link, epoch): (Link, u64),
        at_ms: TimestampMs,
        address: u64,
        length: u64,
    ) -> DurableFrame {
        assert_eq!(link.number, self.link.number + 1, "frames are numbered without a gap");
        assert!(epoch >= self.epoch, "epoch {epoch} follows epoch {}", self.epoch);
        (self.link, self.epoch, self.at_ms) = (link, epoch, at_ms);
        DurableFrame { link, address, length: whole_sectors(length), segment: self.active.segment_address() }
    }

    /// Starts the flush of the index and the preparation of the next segment, if they are due. Call it when no append
    /// is waiting.
    ///
    /// # Errors
    /// Fails if a copy that the index would rely on cannot be made durable.
    pub(crate) fn tidy(&mut self) -> io::Result<()> {
        if self.journal.index.is_full() {
            // The index must not contain a frame that a power loss could take from the segments. Only a copy has
            // unsynced frames here.
            self.active.sync_if_written()?;
            self.flusher.flush_if_full(&self.journal.index);
        }
        self.active.prepare_next();
        Ok(())
    }

    /// Writes all entries of the index to disk.
    pub(crate) fn close(mut self) -> io::Result<()> {
        self.active.sync_if_written()?;
        let Self { journal, flusher, .. } = self;
        drop(flusher);
        journal.index.flush_all().map_err(|error| io::Error::other(error.to_string()))
    }
}

fn now_ms() -> TimestampMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimestampMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
