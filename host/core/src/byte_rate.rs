//! A limit on bytes per second: a token bucket that fills evenly. The caller passes the current time.

use std::time::{Duration, Instant};

/// Allows `bytes_per_second_max` in the long run, and up to `burst_bytes_max` at once.
#[derive(Debug)]
pub struct ByteRate {
    bytes_per_second_max: u64,
    burst_bytes_max: u64,
    /// The time at which the bucket is full again.
    full_at: Instant,
}

impl ByteRate {
    /// A bucket that is full at `now`.
    pub fn new(bytes_per_second_max: u64, burst_bytes_max: u64, now: Instant) -> Self {
        assert!(bytes_per_second_max > 0, "a bucket that never fills allows nothing");
        Self { bytes_per_second_max, burst_bytes_max, full_at: now }
    }

    /// Takes `bytes` out of the bucket. Returns `false`, and takes nothing, if it holds fewer.
    pub fn take(&mut self, bytes: u64, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.time_of(bytes);
        let is_allowed = full_at.saturating_duration_since(now) <= self.time_of(self.burst_bytes_max);
        if is_allowed {
            self.full_at = full_at;
        }
        is_allowed
    }

    fn time_of(&self, bytes: u64) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.bytes_per_second_max as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_so_much_for_each_second() {
        let start = Instant::now();
        let mut rate = ByteRate::new(100, 250, start);
        assert!(rate.take(200, start) && rate.take(50, start) && !rate.take(1, start));
        let later = start + Duration::from_millis(500);
        assert!(!rate.take(51, later) && rate.take(50, later) && !rate.take(1, later));
        let much_later = start + Duration::from_secs(1_000);
        assert!(!rate.take(251, much_later) && rate.take(250, much_later), "no more is saved up than a burst");
    }
}
