//! A connection on which a test sends any bytes, including bytes that no client sends.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub struct RawConnection {
    stream: TcpStream,
    /// Bytes that were read but not returned yet.
    rest: Vec<u8>,
}

impl RawConnection {
    /// `address` is that of a [`Host`](crate::Host).
    pub fn open(address: &str) -> Self {
        let stream = TcpStream::connect(address.trim_start_matches("http://")).expect("the host accepts connections");
        stream.set_nodelay(true).expect("a connection can be set up");
        Self { stream, rest: Vec::new() }
    }

    /// Returns whether all bytes were sent; the host may have closed the connection.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// The next answer, with head and body. `None`: the connection ended without one, or nothing arrived within
    /// `wait_max`.
    pub fn answer(&mut self, wait_max: Duration) -> Option<String> {
        let deadline = Instant::now() + wait_max;
        loop {
            if let Some(bytes) = answer_bytes(&self.rest) {
                let answer: Vec<u8> = self.rest.drain(..bytes).collect();
                return Some(String::from_utf8_lossy(&answer).into_owned());
            }
            if !self.read(deadline) {
                return None;
            }
        }
    }

    /// Whether bytes of an answer arrive within `wait_max`. They stay for [`Self::answer`].
    pub fn has_begun_an_answer(&mut self, wait_max: Duration) -> bool {
        let deadline = Instant::now() + wait_max;
        while self.rest.is_empty() && self.read(deadline) {}
        !self.rest.is_empty()
    }

    /// The answer as far as it has arrived when its first bytes are there; empty if none come within `wait_max`. The
    /// bytes stay for [`Self::answer`].
    pub fn begun(&mut self, wait_max: Duration) -> String {
        self.has_begun_an_answer(wait_max);
        String::from_utf8_lossy(&self.rest).into_owned()
    }

    /// Whether the host closes the connection within `wait_max`; bytes that it still sends are dropped.
    pub fn is_closed_within(&mut self, wait_max: Duration) -> bool {
        let deadline = Instant::now() + wait_max;
        while self.read(deadline) {}
        Instant::now() < deadline
    }

    /// False at the end of the connection, and at the deadline.
    fn read(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        self.stream.set_read_timeout(Some(left)).expect("a timeout can be set");
        let mut piece = vec![0; 64 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => false,
            Ok(count) => {
                self.rest.extend_from_slice(&piece[..count]);
                true
            }
            Err(error) => matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted),
        }
    }
}

/// The length of the first answer. `None`: it is not complete yet.
fn answer_bytes(bytes: &[u8]) -> Option<usize> {
    const END_OF_HEAD: &[u8] = b"\r\n\r\n";
    let head = bytes.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD)? + END_OF_HEAD.len();
    let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
    let header =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()));
    let total = match header("content-length:") {
        Some(length) => head + length.parse::<usize>().expect("a length is a number"),
        None if header("transfer-encoding:").is_some() => head + chunked_bytes(&bytes[head..])?,
        None => head,
    };
    (bytes.len() >= total).then_some(total)
}

/// The length of a chunked body, including its end mark.
fn chunked_bytes(bytes: &[u8]) -> Option<usize> {
    let mut place = 0;
    loop {
        let line = bytes[place..].windows(2).position(|window| window == b"\r\n")?;
        let digits = str::from_utf8(&bytes[place..place + line]).expect("a chunk's length is text");
        let length = usize::from_str_radix(digits, 16).expect("a chunk's length is a number");
        place += line + 2 + length + 2;
        if length == 0 {
            return (bytes.len() >= place).then_some(place);
        }
        if bytes.len() < place {
            return None;
        }
    }
}
