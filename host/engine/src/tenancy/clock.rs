//! The host's only clock. It never goes backwards, and never behind the recorded times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use polder_core::TimestampMs;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    newest_ms: AtomicU64,
}

impl Clock {
    pub(crate) fn now(&self) -> TimestampMs {
        self.at(SystemTime::now())
    }

    /// Sets the earliest time that the clock returns from now on: the newest in the journal, which may have been
    /// written by another host, or by this one with its clock set differently.
    pub(crate) fn begin_at(&self, newest: TimestampMs) {
        self.newest_ms.fetch_max(newest.0, Ordering::Relaxed);
    }

    fn at(&self, wall: SystemTime) -> TimestampMs {
        // On a machine whose clock is before 1970 this returns 1970; that is no reason to refuse work.
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        TimestampMs(self.newest_ms.fetch_max(wall_ms, Ordering::Relaxed).max(wall_ms))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn wall(ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(ms)
    }

    #[test]
    fn the_clock_never_goes_back() {
        let clock = Clock::default();
        clock.begin_at(TimestampMs(5_000));
        assert_eq!(clock.at(wall(1_000)), TimestampMs(5_000), "the machine's clock was set back");
        assert_eq!(clock.at(wall(7_000)), TimestampMs(7_000));
        assert_eq!(clock.at(wall(6_000)), TimestampMs(7_000));
        clock.begin_at(TimestampMs(6_000));
        assert_eq!(clock.at(wall(6_500)), TimestampMs(7_000));
    }

    #[test]
    fn times_before_1970_become_1970() {
        let clock = Clock::default();
        assert_eq!(clock.at(UNIX_EPOCH - Duration::from_secs(86_400)), TimestampMs(0));
        clock.begin_at(TimestampMs(7));
        assert_eq!(clock.at(UNIX_EPOCH - Duration::from_secs(86_400)), TimestampMs(7));
    }
}
