//! The head of a frame: 128 bytes in fixed places, numbers with the lowest byte first.
//!
//! ```text
//!   0 magic 8 bytes          24 epoch u64              64 journal id 16 bytes
//!   8 format u16             32 number u64             80 epoch id 16 bytes
//!  10 reader_min u16         40 address u64            96 hash of the frame before 32 bytes
//!  12 kind u8                48 durable through u64
//!  13 flags u8               56 time u64
//!  14 blocks u16
//!  16 bytes of the table u32
//!  20 bytes of the frame u32
//! ```
//!
//! Magic, format and `reader_min` stand in the same places in all later formats.

use super::super::error::{FormatError, ensure, within};
use super::super::limits::{BLOCKS_MAX, FRAMES_IN_FLIGHT_MAX, LARGE_FRAME_BYTES_MAX, NUMBER_MAX, TABLE_BYTES_MAX};
use super::super::sealing::EpochId;
use super::super::varint::Cursor;

/// The bytes 0xff and 0xfe do not occur in UTF-8, so no name and no payload contains what looks like a frame.
pub(crate) const MAGIC: [u8; 8] = [0xff, b'p', b'o', b'l', b'd', b'e', b'r', 0xfe];
pub(crate) const HEAD_BYTES: usize = 128;
/// The format that this version writes and reads.
pub(crate) const FORMAT: u16 = 2;
/// Readers that do not know a kind from here on pass over the bodies of its frames.
const KINDS_PASSED_OVER_FROM: u8 = 64;
const ORDINARY: u8 = 0;
/// The first block is an anchor.
pub(crate) const FLAG_ANCHOR: u8 = 1;

pub(crate) type Hash = [u8; 32];

/// The end of a hash chain, which the next frame continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) number: u64,
    pub(crate) hash: Hash,
}

impl Link {
    /// The link before the first frame.
    pub(crate) const START: Self = Self { number: 0, hash: [0; 32] };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// Format of the writer.
    pub(crate) format: u16,
    /// The oldest format whose readers can read the frame.
    pub(crate) reader_min: u16,
    /// 0; a later version may have further kinds.
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) blocks: u16,
    pub(crate) table_bytes: u32,
    /// Length of the whole frame in bytes, without the zeros that fill its last sector.
    pub(crate) frame_bytes: u32,
    /// Counts the writers of the journal; the next writer's epoch is one higher.
    pub(crate) epoch: u64,
    /// From 1.
    pub(crate) number: u64,
    /// Where the frame lies in the whole journal, in bytes from the start.
    pub(crate) address: u64,
    /// Number of the last frame that was durable when this one was written.
    pub(crate) durable_through: u64,
    pub(crate) at_ms: u64,
    pub(crate) journal_id: [u8; 16],
    /// Random; no two writers have the same, not even with the same epoch.
    pub(crate) epoch_id: EpochId,
    /// Hash of the frame before; zeros in the first frame.
    pub(crate) previous: Hash,
}

impl FrameHead {
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.format.to_le_bytes());
        out.extend_from_slice(&self.reader_min.to_le_bytes());
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.blocks.to_le_bytes());
        out.extend_from_slice(&self.table_bytes.to_le_bytes());
        out.extend_from_slice(&self.frame_bytes.to_le_bytes());
        for number in [self.epoch, self.number, self.address, self.durable_through, self.at_ms] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&self.journal_id);
        out.extend_from_slice(&self.epoch_id);
        out.extend_from_slice(&self.previous);
        assert_eq!(out.len() - begin, HEAD_BYTES, "the head has the length that readers expect");
    }

    /// Reads the head at the start of `bytes`. Nothing of it is verified before the hash is.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        if !bytes.starts_with(&MAGIC) {
            let is_beginning = MAGIC.starts_with(bytes);
            return Err(if is_beginning { FormatError::CutShort("a frame") } else { FormatError::NoFrame });
        }
        let mut cursor = Cursor::new("a frame", &bytes[MAGIC.len()..]);
        let (format, reader_min) = (cursor.u16()?, cursor.u16()?);
        if reader_min > FORMAT {
            return Err(FormatError::NewerReader(reader_min));
        }
        let head = Self {
            format,
            reader_min,
            kind: cursor.byte()?,
            flags: cursor.byte()?,
            blocks: cursor.u16()?,
            table_bytes: cursor.u32()?,
            frame_bytes: cursor.u32()?,
            epoch: cursor.u64()?,
            number: cursor.u64()?,
            address: cursor.u64()?,
            durable_through: cursor.u64()?,
            at_ms: cursor.u64()?,
            journal_id: cursor.array()?,
            epoch_id: cursor.array()?,
            previous: cursor.array()?,
        };
        head.check_sizes()?;
        Ok(head)
    }

    /// Checks what has to be right before the table is read.
    fn check_sizes(&self) -> Result<(), FormatError> {
        within("the length of the table", u64::from(self.table_bytes), TABLE_BYTES_MAX)?;
        within("the number of blocks", u64::from(self.blocks), BLOCKS_MAX)?;
        within("the length of a frame", u64::from(self.frame_bytes), LARGE_FRAME_BYTES_MAX)?;
        let least = super::bytes_before_bodies(u64::from(self.table_bytes));
        ensure(u64::from(self.frame_bytes) >= least, "a frame is shorter than its head and its table")
    }

    /// Checks what the hash does not guarantee: that a writer of this format made the head.
    pub(crate) fn check(&self) -> Result<(), FormatError> {
        self.check_sizes()?;
        ensure(self.reader_min == FORMAT && self.format >= FORMAT, "a frame has an older format than 2")?;
        if self.kind != ORDINARY && self.kind < KINDS_PASSED_OVER_FROM {
            return Err(FormatError::Unknown { what: "the kind of a frame", number: u64::from(self.kind) });
        }
        if self.flags & !FLAG_ANCHOR != 0 {
            return Err(FormatError::Unknown { what: "the flags of a frame", number: u64::from(self.flags) });
        }
        within("the number of a frame", self.number, NUMBER_MAX)?;
        within("a time", self.at_ms, NUMBER_MAX)?;
        ensure(self.number > 0, "a frame has the number 0")?;
        let in_flight = self.number.checked_sub(self.durable_through).filter(|in_flight| *in_flight > 0);
        let in_flight = in_flight.ok_or(FormatError::Malformed("a frame claims that itself is durable"))?;
        within("the number of frames in flight", in_flight, FRAMES_IN_FLIGHT_MAX)?;
        ensure(self.address.checked_add(u64::from(self.frame_bytes)).is_some(), "a frame ends beyond all addresses")
    }

    pub(crate) fn has_anchor(&self) -> bool {
        self.flags & FLAG_ANCHOR != 0
    }

    /// Checks that this frame follows another one, whose head and hash are given.
    pub(crate) fn check_follows(&self, before: &Self, hash: &Hash) -> Result<(), FormatError> {
        ensure(self.number == before.number + 1 && self.previous == *hash, "a frame does not continue the one before")?;
        ensure(self.journal_id == before.journal_id, "a frame belongs to another journal")?;
        ensure(self.at_ms >= before.at_ms, "a frame is older than the one before")?;
        ensure(self.durable_through >= before.durable_through, "a frame knows less to be durable than the one before")?;
        let end_before = before.address + u64::from(before.frame_bytes);
        ensure(self.address >= end_before, "a frame begins within the one before")?;
        match self.epoch.cmp(&before.epoch) {
            std::cmp::Ordering::Less => {
                Err(FormatError::Malformed("a frame is of an earlier epoch than the one before"))
            }
            std::cmp::Ordering::Equal => ensure(self.epoch_id == before.epoch_id, "an epoch has two ids"),
            std::cmp::Ordering::Greater => ensure(self.has_anchor(), "the first frame of an epoch has no anchor"),
        }
    }
}
