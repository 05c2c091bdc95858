//! A window on a file that moves forward. It holds as much as one row needs, and not more.

use std::io::{BufRead, Error, Read};

/// Largest row in bytes. A larger one is refused.
pub(crate) const ROW_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes that are read at a time.
const READ_BYTES: usize = 64 * 1024;

pub(crate) struct Window<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    is_at_end: bool,
    /// The error that ended the file after these bytes.
    failure: Option<Error>,
    line: u64,
    /// The last consumed byte was a carriage return, so a line feed that follows belongs to it.
    is_after_return: bool,
}

impl<R: BufRead> Window<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new(), start: 0, is_at_end: false, failure: None, line: 1, is_after_return: false }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    /// Whether nothing follows these bytes.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Whether a row that does not end in these bytes is too long.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes().len() >= ROW_BYTES_MAX
    }

    /// The line of the first byte, counted from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// Reads about as many bytes as are there already, so that a long row is scanned only a few times.
    pub(crate) fn more(&mut self) -> std::io::Result<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let wanted = (self.buffer.len() * 2).clamp(READ_BYTES, ROW_BYTES_MAX + READ_BYTES);
        let missing = wanted.saturating_sub(self.buffer.len()) as u64;
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let before = self.buffer.len();
        match self.inner.by_ref().take(missing).read_to_end(&mut self.buffer) {
            Ok(read) => self.is_at_end = read < missing as usize,
            // The error comes after the rows that were read before it.
            Err(failure) if self.buffer.len() > before => self.failure = Some(failure),
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    pub(crate) fn consume(&mut self, count: usize) {
        for byte in &self.buffer[self.start..self.start + count] {
            if *byte == b'\r' || (*byte == b'\n' && !self.is_after_return) {
                self.line += 1;
            }
            self.is_after_return = *byte == b'\r';
        }
        self.start += count;
    }

    /// Consumes the rest of the line, line end included.
    pub(crate) fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            if let Some(end) = self.bytes().iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                let is_return = self.bytes()[end] == b'\r';
                if is_return && end + 1 == self.bytes().len() && !self.is_at_end {
                    self.consume(end);
                    self.more()?;
                    continue;
                }
                let length = if self.bytes()[end..].starts_with(b"\r\n") { 2 } else { 1 };
                self.consume(end + length);
                return Ok(());
            }
            self.consume(self.bytes().len());
            if self.is_at_end {
                return Ok(());
            }
            self.more()?;
        }
    }

    /// The first line without its line end, as far as the first bytes hold it.
    pub(crate) fn first_line(&mut self) -> std::io::Result<&[u8]> {
        if self.bytes().is_empty() && !self.is_at_end {
            self.more()?;
        }
        let bytes = self.bytes();
        let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        Ok(&bytes[..end.unwrap_or(bytes.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        for (input, wanted) in [("a\nb", 2), ("a\r\nb", 2), ("a\rb", 2), ("a\r\r\n\nb", 4)] {
            let mut window = Window::new(input.as_bytes());
            window.more().unwrap();
            window.consume(input.len() - 1);
            assert_eq!(window.line(), wanted, "{input:?}");
        }
    }

    #[test]
    fn a_line_of_any_length_is_skipped_in_little_memory() {
        let long = [vec![b'x'; 3 * ROW_BYTES_MAX], b"\r\nnext".to_vec()].concat();
        let mut window = Window::new(&long[..]);
        window.skip_line().unwrap();
        assert_eq!((window.bytes(), window.line()), (&b"next"[..], 2));
        assert!(window.buffer.capacity() <= 2 * ROW_BYTES_MAX + 2 * READ_BYTES, "{}", window.buffer.capacity());
    }
}
