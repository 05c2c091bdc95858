//! Splits a request's body into lines as it arrives, each up to a limit. Holds one line and one piece of the body. A
//! line that is too long is skipped without being stored.

use std::fmt::Display;

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;

pub(crate) struct Lines<B> {
    body: B,
    buffer: BytesMut,
    /// The length of the buffer's part that is known to hold no line end.
    searched: usize,
    /// The number of the line that was returned last.
    number: u64,
    line_bytes_max: usize,
    /// Whether the rest of a line that was too long comes first.
    is_skipping: bool,
    is_over: bool,
    put_back: Option<Next>,
}

/// A line, the end, or why the body ended too early.
pub(crate) type Next = Result<Option<Line>, String>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    /// The bytes of the line. `None` if it is too long.
    pub(crate) bytes: Option<Bytes>,
}

impl<B> Lines<B>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    /// `first` is the number of the first line.
    pub(crate) fn new(body: B, first: u64, line_bytes_max: usize) -> Self {
        let (buffer, number) = (BytesMut::new(), first.saturating_sub(1));
        Self { body, buffer, searched: 0, number, line_bytes_max, is_skipping: false, is_over: false, put_back: None }
    }

    /// The number of the line that was returned last.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Returns the next line without its line end. Blank lines are counted but not returned. Dropping the future loses
    /// nothing.
    ///
    /// # Errors
    /// Fails when the body breaks off.
    pub(crate) async fn next(&mut self) -> Next {
        if let Some(next) = self.put_back.take() {
            return next;
        }
        loop {
            while let Some(line) = self.take() {
                if line.bytes.as_ref().is_none_or(|bytes| !bytes.trim_ascii().is_empty()) {
                    return Ok(Some(line));
                }
            }
            if self.is_over {
                return Ok(None);
            }
            match self.body.frame().await {
                // Trailers are ignored.
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => return Err(error.to_string()),
                None => self.is_over = true,
            }
        }
    }

    /// Makes [`Lines::next`] return this again.
    pub(crate) fn put_back(&mut self, next: Next) {
        self.put_back = Some(next);
    }

    /// Returns the unread rest of the body.
    pub(crate) fn into_body(self) -> B {
        self.body
    }

    fn take(&mut self) -> Option<Line> {
        loop {
            let found = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(found) = found else { return self.take_rest() };
            let mut line = self.buffer.split_to(self.searched + found + 1);
            self.searched = 0;
            if std::mem::take(&mut self.is_skipping) {
                continue;
            }
            line.truncate(line.len() - 1);
            return Some(self.line(line));
        }
    }

    /// Handles a line whose end has not arrived. Returns it only if the body is over or the line is too long.
    fn take_rest(&mut self) -> Option<Line> {
        let rest_bytes = self.buffer.len();
        if self.is_skipping {
            self.buffer.clear();
            self.searched = 0;
            return None;
        }
        if rest_bytes > self.line_bytes_max || (self.is_over && rest_bytes > 0) {
            let rest = self.buffer.split();
            self.searched = 0;
            self.is_skipping = !self.is_over;
            return Some(self.line(rest));
        }
        self.searched = rest_bytes;
        None
    }

    fn line(&mut self, bytes: BytesMut) -> Line {
        self.number += 1;
        Line { number: self.number, bytes: (bytes.len() <= self.line_bytes_max).then(|| bytes.freeze()) }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn read(pieces: &[&str]) -> Vec<(u64, Option<String>)> {
        let pieces: Vec<_> =
            pieces.iter().map(|piece| Ok::<_, std::io::Error>(Bytes::from((*piece).to_owned()))).collect();
        let mut lines = Lines::new(Body::from_stream(futures::stream::iter(pieces)), 1, 5);
        let mut read = Vec::new();
        while let Some(Line { number, bytes }) = lines.next().await.unwrap() {
            read.push((number, bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())));
        }
        read
    }

    fn good(number: u64, text: &str) -> (u64, Option<String>) {
        (number, Some(text.to_owned()))
    }

    #[tokio::test]
    async fn lines_are_found_however_they_arrive() {
        let wanted = [good(1, "a"), good(2, "bc"), good(4, "d")];
        assert_eq!(read(&["a\nbc\n\nd\n"]).await, wanted);
        assert_eq!(read(&["a", "\nb", "c\n", " \nd"]).await, wanted);
        assert_eq!(read(&[]).await, []);
        assert_eq!(read(&["", "\n\n"]).await, []);
    }

    #[tokio::test]
    async fn a_line_that_is_too_long_is_reported_once_and_skipped() {
        for pieces in [&["12345\n123456\n1\n"][..], &["12345\n12345", "6", "78\n", "1\n"], &["12345\n", "123456789\n1"]]
        {
            assert_eq!(read(pieces).await, [good(1, "12345"), (2, None), good(3, "1")], "{pieces:?}");
        }
        assert_eq!(read(&["1234567", "89"]).await, [(1, None)]);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_an_error_after_its_lines() {
        let broken = futures::stream::iter([Ok(Bytes::from("a\nb")), Err(std::io::Error::other("gone"))]);
        let mut lines = Lines::new(Body::from_stream(broken), 7, 5);
        assert_eq!(lines.next().await.unwrap().unwrap().number, 7);
        assert!(lines.next().await.unwrap_err().contains("gone"));
    }
}
