//! Builds frames in reused buffers. It puts finished blocks together, fills in the positions, and hashes only head and
//! table; everything else was done where the blocks were made.

use super::super::body::SealedBlock;
use super::super::error::{FormatError, ensure, within};
use super::super::limits::{BLOCKS_MAX, FRAME_BYTES_MAX, LARGE_FRAME_BYTES_MAX, TABLE_BYTES_MAX};
use super::super::sealing::{EpochId, MacKey};
use super::super::table::{BlockEntry, BlockKind};
use super::bytes_before_bodies;
use super::head::{FLAG_ANCHOR, FORMAT, FrameHead, Link};

/// The fields of the head that the writer knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FramePlace {
    pub(crate) previous: Link,
    pub(crate) durable_through: u64,
    pub(crate) epoch: u64,
    pub(crate) address: u64,
    pub(crate) at_ms: u64,
    pub(crate) journal_id: [u8; 16],
    pub(crate) epoch_id: EpochId,
}

#[derive(Debug, Default)]
pub(crate) struct FrameBuilder {
    table: Vec<u8>,
    bodies: Vec<u8>,
    frame: Vec<u8>,
    blocks: u64,
    blocks_of_records: u64,
    records: u64,
    has_anchor: bool,
}

impl FrameBuilder {
    pub(crate) fn begin(&mut self) {
        self.table.clear();
        self.bodies.clear();
        (self.blocks, self.blocks_of_records, self.records, self.has_anchor) = (0, 0, 0, false);
    }

    /// Adds a block. `position_before` is the tenant's last position before it, and 0 for blocks without records. An
    /// anchor has to be the first block.
    ///
    /// # Errors
    /// Fails if the block does not fit into this frame. The frame is then as before.
    pub(crate) fn add(&mut self, block: &SealedBlock, position_before: u64) -> Result<(), FormatError> {
        let entry = BlockEntry { position_before, ..block.entry };
        entry.check()?;
        let is_anchor = entry.kind == BlockKind::Anchor;
        ensure(!is_anchor || self.blocks == 0, "an anchor is not the first block of its frame")?;
        let table_bytes = self.table.len();
        entry.put(&mut self.table);
        let fits = self.check_fits(&entry);
        if fits.is_err() {
            self.table.truncate(table_bytes);
            return fits;
        }
        self.bodies.extend_from_slice(&block.body);
        self.blocks += 1;
        self.has_anchor |= is_anchor;
        if entry.kind.has_records() {
            self.blocks_of_records += 1;
            self.records += entry.records;
        }
        Ok(())
    }

    fn check_fits(&self, entry: &BlockEntry) -> Result<(), FormatError> {
        within("the number of blocks", self.blocks + 1, BLOCKS_MAX)?;
        within("the length of the table", self.table.len() as u64, TABLE_BYTES_MAX)?;
        let (blocks_of_records, records) = match entry.kind.has_records() {
            true => (self.blocks_of_records + 1, self.records + entry.records),
            false => (self.blocks_of_records, self.records),
        };
        let is_single = blocks_of_records == 1 && records == 1;
        let bytes_max = if is_single { LARGE_FRAME_BYTES_MAX } else { FRAME_BYTES_MAX };
        let bytes = bytes_before_bodies(self.table.len() as u64) + self.bodies.len() as u64 + entry.stored_bytes;
        within("the length of a frame", bytes, bytes_max)
    }

    /// Length of the frame so far, in bytes.
    pub(crate) fn frame_bytes(&self) -> u64 {
        bytes_before_bodies(self.table.len() as u64) + self.bodies.len() as u64
    }

    /// Completes the frame; returns its bytes and its link.
    ///
    /// # Errors
    /// Fails if a field of the head is beyond its limit.
    pub(crate) fn finish(&mut self, place: &FramePlace, key: &MacKey) -> Result<(&[u8], Link), FormatError> {
        let head = FrameHead {
            format: FORMAT,
            reader_min: FORMAT,
            kind: 0,
            flags: if self.has_anchor { FLAG_ANCHOR } else { 0 },
            blocks: self.blocks as u16,
            table_bytes: self.table.len() as u32,
            frame_bytes: self.frame_bytes() as u32,
            epoch: place.epoch,
            number: place.previous.number + 1,
            address: place.address,
            durable_through: place.durable_through,
            at_ms: place.at_ms,
            journal_id: place.journal_id,
            epoch_id: place.epoch_id,
            previous: place.previous.hash,
        };
        head.check()?;
        self.frame.clear();
        head.put(&mut self.frame);
        self.frame.extend_from_slice(&self.table);
        let hash = *blake3::hash(&self.frame).as_bytes();
        self.frame.extend_from_slice(&hash);
        self.frame.extend_from_slice(&key.mac(&hash));
        self.frame.extend_from_slice(&self.bodies);
        Ok((&self.frame, Link { number: head.number, hash }))
    }
}
