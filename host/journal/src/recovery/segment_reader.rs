//! Reads a segment from front to back in large blocks, and returns slices of them. It uses plain reads, because a
//! memory map would turn a disk failure into a signal.

use std::io;

use crate::disk::Segment;

/// Size of one read, in bytes. It is large compared with a frame, so that few bytes are read twice.
const READ_BYTES: usize = 2 * 1024 * 1024;

pub(crate) struct SegmentReader<'a> {
    segment: &'a dyn Segment,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> SegmentReader<'a> {
    /// A reader of the first `length` bytes of a segment. What follows is treated as zeros.
    pub(crate) fn new(segment: &'a dyn Segment, length: u64) -> Self {
        Self { segment, length, start: 0, bytes: Vec::new() }
    }

    /// Discards the bytes read so far, so that they are read again.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// `count` bytes from `offset` on; fewer only at the end.
    pub(crate) fn get(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let count = count.min(left);
        let inside = offset >= self.start && offset + count as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            self.start = offset;
            self.bytes.resize(count.max(READ_BYTES.min(left)), 0);
            let read = self.segment.read_at(offset, &mut self.bytes)?;
            self.bytes.truncate(read);
        }
        let start = usize::try_from(offset - self.start).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(&self.bytes[start..(start + count).min(self.bytes.len())])
    }
}
