//! Limits log lines that outsiders can cause, so that they cannot fill the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Shortest interval between two lines of one kind.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// The throttle for one kind of line.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    last: Mutex<Option<Instant>>,
    unsaid: AtomicU64,
}

impl Throttle {
    /// Returns `None` if the line may not be written now. Otherwise it returns the number of lines that were left out
    /// since the last one.
    pub(crate) fn now(&self) -> Option<u64> {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Option<u64> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| now.duration_since(last) < LINE_INTERVAL) {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *last = Some(now);
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_in_a_while_says_how_many_there_were() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        assert_eq!(throttle.at(start), Some(0));
        assert_eq!((throttle.at(start), throttle.at(start + LINE_INTERVAL / 2)), (None, None));
        assert_eq!(throttle.at(start + LINE_INTERVAL), Some(2));
    }
}
