//! Remembers on which line each byte of a row begins. The CSV reader tells only where the row before ended, and that lies before a
//! line feed and empty lines that it has yet to skip.

use std::collections::VecDeque;
use std::io::Read;

#[derive(Debug)]
pub(crate) struct LineStarts<R> {
    inner: R,
    offset: u64,
    line: u64,
    is_at_start: bool,
    is_after_carriage_return: bool,
    /// Offset and number of each line that is not empty, as far as not yet asked beyond.
    starts: VecDeque<(u64, u64)>,
}

impl<R> LineStarts<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, offset: 0, line: 1, is_at_start: true, is_after_carriage_return: false, starts: VecDeque::new() }
    }

    /// The first line that is not empty and starts at `offset` or after it. Ask in rising order.
    pub(crate) fn line_from(&mut self, offset: u64) -> u64 {
        while self.starts.front().is_some_and(|(start, _)| *start < offset) {
            self.starts.pop_front();
        }
        self.starts.front().map_or(self.line, |(_, line)| *line)
    }

    fn note(&mut self, byte: u8) {
        match byte {
            b'\n' if self.is_after_carriage_return => {}
            b'\n' | b'\r' => {
                self.line += 1;
                self.is_at_start = true;
            }
            _ if self.is_at_start => {
                self.starts.push_back((self.offset, self.line));
                self.is_at_start = false;
            }
            _ => {}
        }
        self.is_after_carriage_return = byte == b'\r';
        self.offset += 1;
    }
}

impl<R: Read> Read for LineStarts<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        buffer[..count].iter().for_each(|byte| self.note(*byte));
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_lines_are_passed_over_whatever_ends_them() {
        for (input, wanted) in [("a\n\nb\n", 3), ("a\r\n\r\nb\r\n", 3), ("a\rb", 2), ("a\r\r\n\nb", 4)] {
            let mut starts = LineStarts::new(input.as_bytes());
            std::io::copy(&mut starts, &mut std::io::sink()).unwrap();
            assert_eq!(starts.line_from(0), 1, "{input:?}");
            assert_eq!(starts.line_from(1), wanted, "{input:?}");
        }
    }
}
