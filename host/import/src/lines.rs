//! Counts the line ends in the bytes that a reader consumes, and limits how many bytes the reader gets at a time.

use std::io::{BufRead, Error, ErrorKind, Read};

#[derive(Debug)]
pub(crate) struct LineCounter<R> {
    inner: R,
    line_ends: u64,
    /// Bytes that may be consumed before the next call of [`Self::allow`].
    allowed: usize,
}

impl<R> LineCounter<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, line_ends: 0, allowed: usize::MAX }
    }

    /// From now on, returns `bytes_max` more bytes, and then an error of the kind `FileTooLarge`.
    pub(crate) fn allow(&mut self, bytes_max: usize) {
        self.allowed = bytes_max;
    }

    /// The line of the next byte, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line_ends + 1
    }
}

impl<R: BufRead> BufRead for LineCounter<R> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        if self.allowed == 0 {
            return Err(Error::new(ErrorKind::FileTooLarge, "an element, or the text between two, is too large"));
        }
        let available = self.inner.fill_buf()?;
        Ok(&available[..available.len().min(self.allowed)])
    }

    fn consume(&mut self, amount: usize) {
        self.allowed -= amount.min(self.allowed);
        // This reads nothing new: the consumed bytes are in the buffer already.
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
    fn no_more_is_given_than_allowed() {
        let mut counter = LineCounter::new(&b"12345"[..]);
        counter.allow(3);
        let mut three = [0; 3];
        counter.read_exact(&mut three).unwrap();
        assert_eq!(counter.fill_buf().unwrap_err().kind(), ErrorKind::FileTooLarge);
        counter.allow(3);
        let mut rest = String::new();
        counter.read_to_string(&mut rest).unwrap();
        assert_eq!((&three, rest.as_str()), (b"123", "45"));
    }

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
