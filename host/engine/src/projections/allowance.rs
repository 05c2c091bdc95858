//! What a turn of a feed may use of a thread, how much history the next turn reads, and how long a projection that fails rests. Pure.
//!
//! On the fast lane a guest call has a slice, and a turn a budget of CPU time: so long may one projection keep a thread from the others. A
//! projection that overruns either goes on on the slow lane, where calls have all that the tenant's limits allow.

use std::time::Duration;

use polder_core::Limits;

/// CPU time of one guest call on the fast lane, in milliseconds.
pub(super) const CALL_SLICE_MS: u64 = 50;
/// CPU time after which a turn on the fast lane reads no further.
const TURN_CPU_MAX: Duration = Duration::from_millis(100);
/// CPU time after which a turn on the slow lane reads no further.
const SLOW_TURN_CPU_MAX: Duration = Duration::from_millis(1_000);
/// A stretch that takes this many times its turn's budget is given up, and read again in smaller parts.
const GIVEN_UP_FACTOR: u32 = 4;

/// History read at first, in bytes.
const STRETCH_BYTES_FIRST: usize = 1024 * 1024;
/// History read per turn at most, in bytes. The more, the more events of one document are folded in one call.
pub(super) const STRETCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// History read per turn at least, in bytes: also what is read while events go one by one.
pub(super) const STRETCH_BYTES_MIN: usize = 32 * 1024;

/// A projection whose events fail one after the other rests this many times as long as they took, at most.
const REST_FACTOR_MAX: u32 = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Fast,
    Slow,
}

impl Lane {
    pub(super) fn limits(self, limits: &Limits) -> Limits {
        match self {
            Self::Fast => Limits { call_wall_ms_max: limits.call_wall_ms_max.min(CALL_SLICE_MS), ..*limits },
            Self::Slow => *limits,
        }
    }

    pub(super) fn turn_cpu_max(self) -> Duration {
        match self {
            Self::Fast => TURN_CPU_MAX,
            Self::Slow => SLOW_TURN_CPU_MAX,
        }
    }

    /// A stretch that took this long is given up.
    pub(super) fn stretch_cpu_max(self) -> Duration {
        self.turn_cpu_max() * GIVEN_UP_FACTOR
    }
}

/// How much history the next turn reads: as much as fits into its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    bytes: usize,
}

impl Default for Stretch {
    fn default() -> Self {
        Self { bytes: STRETCH_BYTES_FIRST }
    }
}

impl Stretch {
    pub(super) fn bytes(self) -> usize {
        self.bytes
    }

    /// After a stretch that was folded to its end.
    pub(super) fn folded(&mut self, used: Duration, lane: Lane) {
        let bytes = match used {
            used if used > lane.turn_cpu_max() => self.bytes / 2,
            used if used < lane.turn_cpu_max() / 2 => self.bytes * 2,
            _ => self.bytes,
        };
        self.bytes = bytes.clamp(STRETCH_BYTES_MIN, STRETCH_BYTES_MAX);
    }

    /// After a stretch that was given up. `false`: it cannot become smaller; its events have to go one by one.
    pub(super) fn given_up(&mut self) -> bool {
        let can_shrink = self.bytes > STRETCH_BYTES_MIN;
        self.bytes = (self.bytes / 8).max(STRETCH_BYTES_MIN);
        can_shrink
    }
}

/// Events that failed one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failures {
    in_a_row: u32,
}

impl Failures {
    pub(super) fn succeeded(&mut self) {
        self.in_a_row = 0;
    }

    /// How long the projection rests after an event whose failing took this much CPU time.
    pub(super) fn failed(&mut self, used: Duration) -> Duration {
        self.in_a_row = self.in_a_row.saturating_add(1);
        used * (self.in_a_row - 1).min(REST_FACTOR_MAX)
    }
}

/// How long to wait after so many turns in a row that got nowhere.
pub(super) fn retry_after(stuck_in_a_row: u32) -> Duration {
    const RETRY_MIN: Duration = Duration::from_secs(1);
    const DOUBLINGS_MAX: u32 = 4;
    RETRY_MIN * 2_u32.pow(stuck_in_a_row.saturating_sub(1).min(DOUBLINGS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_grows_and_shrinks_with_what_it_takes() {
        let mut stretch = Stretch::default();
        for _ in 0..10 {
            stretch.folded(Duration::from_millis(10), Lane::Fast);
        }
        assert_eq!(stretch.bytes(), STRETCH_BYTES_MAX);
        stretch.folded(Duration::from_millis(80), Lane::Fast);
        assert_eq!(stretch.bytes(), STRETCH_BYTES_MAX);
        stretch.folded(Duration::from_millis(101), Lane::Fast);
        assert_eq!(stretch.bytes(), STRETCH_BYTES_MAX / 2);
        stretch.folded(Duration::from_millis(400), Lane::Slow);
        assert_eq!(stretch.bytes(), STRETCH_BYTES_MAX);
    }

    #[test]
    fn a_stretch_that_is_given_up_again_and_again_comes_one_by_one() {
        let mut stretch = Stretch { bytes: STRETCH_BYTES_MAX };
        let shrunk = std::iter::repeat_with(|| stretch.given_up()).take_while(|can_shrink| *can_shrink).count();
        assert_eq!((shrunk, stretch.bytes()), (3, STRETCH_BYTES_MIN));
    }

    #[test]
    fn a_call_has_a_slice_on_the_fast_lane_only() {
        let own = Limits { call_wall_ms_max: 10, ..Limits::DEFAULT };
        assert_eq!(Lane::Fast.limits(&Limits::DEFAULT).call_wall_ms_max, CALL_SLICE_MS);
        assert_eq!(Lane::Fast.limits(&own), own);
        assert_eq!(Lane::Slow.limits(&Limits::DEFAULT), Limits::DEFAULT);
    }

    #[test]
    fn failures_in_a_row_rest_longer_and_one_success_ends_it() {
        let (mut failures, second) = (Failures::default(), Duration::from_secs(1));
        let rests: Vec<u64> = (0..11).map(|_| failures.failed(second).as_secs()).collect();
        assert_eq!(rests, [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8]);
        failures.succeeded();
        assert_eq!(failures.failed(second), Duration::ZERO);
    }

    #[test]
    fn turns_that_get_nowhere_are_tried_again_less_and_less_often() {
        let waits: Vec<u64> = (1..8).map(|stuck| retry_after(stuck).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 16, 16]);
    }
}
