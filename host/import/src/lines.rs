//! Counts line ends as they are consumed, for readers that tell only bytes.

use std::io::{BufRead, Read};

#[derive(Debug)]
pub(crate) struct LineCounter<R> {
    inner: R,
    line_ends: u64,
}

impl<R> LineCounter<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, line_ends: 0 }
    }

    /// The line that the next byte is on, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line_ends + 1
    }
}

impl<R: BufRead> BufRead for LineCounter<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        // Not a new read: what is consumed lies in the buffer already.
        if let Ok(buffer) = self.inner.fill_buf() {
            let consumed = &buffer[..amount.min(buffer.len())];
            self.line_ends += consumed.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
        self.inner.consume(amount);
    }
}

impl<R: BufRead> Read for LineCounter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_reading_are_counted() {
        let mut counter = LineCounter::new(&b"one\ntwo\nthree"[..]);
        assert_eq!(counter.line(), 1);
        let mut line = String::new();
        counter.read_line(&mut line).unwrap();
        assert_eq!(counter.line(), 2);
        let mut rest = Vec::new();
        counter.read_to_end(&mut rest).unwrap();
        assert_eq!((rest.as_slice(), counter.line()), (&b"two\nthree"[..], 3));
    }
}
