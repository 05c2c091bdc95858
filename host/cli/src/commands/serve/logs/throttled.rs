//! Stderr with a limit of bytes per second. Lines beyond it are dropped; the next line that fits reports how many.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use polder_core::{ByteRate, counted};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// Limit for one kind of lines, in bytes per second. Errors are one kind and all other lines the second kind, so that
/// neither displaces the other.
const LOG_BYTES_PER_SECOND_MAX: u64 = 256 * 1024;
/// Bytes that may be written at once after a quiet time.
const LOG_BURST_BYTES_MAX: u64 = 4 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Stderr {
    errors: Arc<Mutex<Throttle>>,
    others: Arc<Mutex<Throttle>>,
}

#[derive(Debug)]
struct Throttle {
    rate: ByteRate,
    dropped_lines: u64,
}

/// Writes one line.
pub(super) struct Line<'a>(&'a Mutex<Throttle>);

impl Stderr {
    pub(super) fn new() -> Self {
        let throttle = || Arc::new(Mutex::new(Throttle::new(Instant::now())));
        Self { errors: throttle(), others: throttle() }
    }
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(&self.others)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        Line(if *metadata.level() == Level::ERROR { &self.errors } else { &self.others })
    }
}

impl Throttle {
    fn new(now: Instant) -> Self {
        Self { rate: ByteRate::new(LOG_BYTES_PER_SECOND_MAX, LOG_BURST_BYTES_MAX, now), dropped_lines: 0 }
    }

    /// Returns `None` if the line is dropped, and otherwise the number of lines that were dropped before it.
    fn admit(&mut self, bytes: u64, now: Instant) -> Option<u64> {
        if self.rate.take(bytes, now) {
            return Some(std::mem::take(&mut self.dropped_lines));
        }
        self.dropped_lines += 1;
        None
    }
}

impl Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let admitted = self.0.lock().unwrap_or_else(PoisonError::into_inner).admit(line.len() as u64, Instant::now());
        let Some(dropped) = admitted else { return Ok(line.len()) };
        let mut stderr = io::stderr().lock();
        if dropped > 0 {
            writeln!(
                stderr,
                "the log left out {}: it may grow by {LOG_BYTES_PER_SECOND_MAX} bytes a second",
                counted(dropped, "line")
            )?;
        }
        stderr.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_beyond_the_rate_are_dropped_and_counted() {
        let start = Instant::now();
        let mut throttle = Throttle::new(start);
        assert_eq!(throttle.admit(LOG_BURST_BYTES_MAX, start), Some(0));
        assert_eq!((throttle.admit(1, start), throttle.admit(1, start)), (None, None));
        assert_eq!(throttle.admit(1, start + Duration::from_secs(1)), Some(2));
        assert_eq!(throttle.admit(1, start + Duration::from_secs(1)), Some(0));
    }
}
