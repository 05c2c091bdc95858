//! Reads a segment from front to back in large pieces, and hands out slices. Plain reads: a map of the file would turn a
//! failing disk into a signal.

use std::io;

use crate::disk::Segment;

/// One read, in bytes: large against a frame, so that little is read twice.
const WINDOW_BYTES: usize = 2 * 1024 * 1024;

pub(crate) struct Window<'a> {
    segment: &'a dyn Segment,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    /// What lies behind `length` is taken for zeros.
    pub(crate) fn new(segment: &'a dyn Segment, length: u64) -> Self {
        Self { segment, length, start: 0, bytes: Vec::new() }
    }

    /// What was read so far is read again.
    pub(crate) fn forget(&mut self) {
        self.bytes.clear();
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// `wanted` bytes from `offset` on; fewer only at the end.
    pub(crate) fn get(&mut self, offset: u64, wanted: usize) -> io::Result<&[u8]> {
        let left = usize::try_from(self.length.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = wanted.min(left);
        let inside = offset >= self.start && offset + wanted as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            self.start = offset;
            self.bytes.resize(wanted.max(WINDOW_BYTES.min(left)), 0);
            let count = self.segment.read_at(offset, &mut self.bytes)?;
            self.bytes.truncate(count);
        }
        let start = usize::try_from(offset - self.start).unwrap_or(usize::MAX).min(self.bytes.len());
        Ok(&self.bytes[start..(start + wanted).min(self.bytes.len())])
    }
}
