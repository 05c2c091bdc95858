//! Reads a frame in place: first head and table, which the hash and the MAC cover, then any of its bodies, which the
//! digests in the table cover.

use super::super::body::OpenedBody;
use super::super::error::{FormatError, ensure, within};
use super::super::limits::FRAME_BYTES_MAX;
use super::super::sealing::{BlockKey, Mac, MacKey};
use super::super::table::{BlockEntry, BlockKind, ENTRY_BYTES_MIN};
use super::super::varint::Cursor;
use super::bytes_before_bodies;
use super::head::{FrameHead, HEAD_BYTES, Hash, Link};

/// Head and table of a frame whose hash was verified, and whose sizes and counts fit together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameView<'a> {
    pub(crate) head: FrameHead,
    pub(crate) hash: Hash,
    mac: Mac,
    table: &'a [u8],
}

/// One block of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) entry: BlockEntry,
    pub(crate) index: u16,
    /// Where the body begins, in bytes from the start of the frame.
    pub(crate) offset: u64,
}

impl<'a> FrameView<'a> {
    /// Reads head and table at the start of `bytes`, which may end anywhere behind them.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Self, FormatError> {
        let head = FrameHead::read(bytes)?;
        let hashed_bytes = HEAD_BYTES + head.table_bytes as usize;
        let hashed = bytes.get(..hashed_bytes).ok_or(FormatError::CutShort("a frame"))?;
        let mut cursor = Cursor::new("a frame", &bytes[hashed_bytes..]);
        let (hash, mac) = (cursor.array()?, cursor.array()?);
        if *blake3::hash(hashed).as_bytes() != hash {
            return Err(FormatError::Mismatch("the hash of a frame"));
        }
        head.check()?;
        let frame = Self { head, hash, mac, table: &hashed[HEAD_BYTES..] };
        frame.check_table()?;
        Ok(frame)
    }

    /// Checks that the frame is by a writer with the journal's key.
    pub(crate) fn check_mac(&self, key: &MacKey) -> Result<(), FormatError> {
        key.check(&self.hash, &self.mac)
    }

    pub(crate) fn link(&self) -> Link {
        Link { number: self.head.number, hash: self.hash }
    }

    /// The blocks, in order.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block> + use<'a> {
        let mut cursor = Cursor::new("the table", self.table);
        let mut offset = bytes_before_bodies(self.table.len() as u64);
        (0..self.head.blocks).map_while(move |index| {
            let entry = BlockEntry::read(&mut cursor).ok()?;
            let block = Block { entry, index, offset };
            offset += entry.stored_bytes;
            Some(block)
        })
    }

    /// Checks every entry, and that they and the head agree.
    fn check_table(&self) -> Result<(), FormatError> {
        let (head, mut cursor) = (&self.head, Cursor::new("the table", self.table));
        let is_possible = u64::from(head.blocks) * ENTRY_BYTES_MIN <= u64::from(head.table_bytes);
        ensure(is_possible, "a table is too short for its blocks")?;
        let mut bytes = bytes_before_bodies(u64::from(head.table_bytes));
        let (mut blocks_of_records, mut records) = (0, 0);
        for index in 0..head.blocks {
            let entry = BlockEntry::read(&mut cursor)?;
            bytes += entry.stored_bytes;
            if entry.kind.has_records() {
                (blocks_of_records, records) = (blocks_of_records + 1, records + entry.records);
            }
            let is_anchor = entry.kind == BlockKind::Anchor;
            ensure(is_anchor == (head.has_anchor() && index == 0), "an anchor is not where the head announces it")?;
        }
        cursor.end()?;
        ensure(head.blocks > 0 || !head.has_anchor(), "an anchor is not where the head announces it")?;
        ensure(bytes == u64::from(head.frame_bytes), "a frame has another length than its bodies")?;
        let is_single = blocks_of_records == 1 && records == 1;
        let bytes_max = if is_single { bytes } else { FRAME_BYTES_MAX };
        within("the length of a frame", bytes, bytes_max)
    }
}

impl Block {
    /// The body, verified against its digest. `frame` has the bytes of the whole frame.
    pub(crate) fn body<'a>(&self, frame: &'a [u8]) -> Result<&'a [u8], FormatError> {
        let end = self.offset + self.entry.stored_bytes;
        let body = usize::try_from(self.offset).ok().zip(usize::try_from(end).ok());
        let body = body.and_then(|(begin, end)| frame.get(begin..end)).ok_or(FormatError::CutShort("a body"))?;
        self.entry.check_body(body)?;
        Ok(body)
    }

    /// Verifies, opens and decompresses the body.
    pub(crate) fn open(&self, frame: &[u8], key: Option<&BlockKey>) -> Result<OpenedBody, FormatError> {
        OpenedBody::open(&self.entry, self.body(frame)?, key)
    }
}
