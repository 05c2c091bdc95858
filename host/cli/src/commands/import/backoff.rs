//! How long to keep trying, and how long to pause between two attempts. Pure: the caller has the clock.

use std::time::Duration;

const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The attempts since the last progress.
pub(crate) struct Backoff {
    total: Duration,
    pause: Duration,
}

impl Backoff {
    pub(crate) fn new(total: Duration) -> Self {
        Self { total, pause: PAUSE_FIRST }
    }

    /// The pause before the next attempt, or `None` once the time is up. `requested` is the pause that the host asks
    /// for.
    pub(crate) fn next(&mut self, waited: Duration, requested: Option<Duration>) -> Option<Duration> {
        let left = self.total.checked_sub(waited).filter(|left| !left.is_zero())?;
        let pause = requested.unwrap_or(self.pause);
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Some(pause.min(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        let pauses: Vec<_> =
            (0..6).map(|second| backoff.next(Duration::from_secs(second), None).unwrap().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1_000]);
        assert_eq!(backoff.next(Duration::from_millis(9_900), None), Some(Duration::from_millis(100)));
        assert_eq!(backoff.next(Duration::from_secs(10), None), None);
    }

    #[test]
    fn the_host_may_ask_for_a_longer_one() {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        assert_eq!(backoff.next(Duration::ZERO, Some(Duration::from_secs(3))), Some(Duration::from_secs(3)));
        assert_eq!(backoff.next(Duration::from_secs(8), Some(Duration::from_secs(3))), Some(Duration::from_secs(2)));
    }
}
