//! The bounds of a feed's turn, the amount of history that the next turn reads, and the pause of a failing projection.
//! Pure.
//!
//! On the fast lane a guest call has a slice, and a turn has a budget of CPU time, so that one projection does not keep
//! a thread from the others for longer. A projection that exceeds either continues on the slow lane, where calls have
//! the full limits of the tenant.

use std::time::Duration;

use polder_core::Limits;

use crate::scheduler::Lane;

/// CPU time of one guest call on the fast lane, in milliseconds.
pub(super) const CALL_SLICE_MS: u64 = 10;
/// CPU time after which a turn on the fast lane reads no further.
const TURN_CPU_MAX: Duration = Duration::from_millis(100);
/// CPU time after which a turn on the slow lane reads no further.
const SLOW_TURN_CPU_MAX: Duration = Duration::from_millis(1_000);
/// A part of the history that takes this many times its turn's budget is aborted, and read again in smaller parts.
const GIVEN_UP_FACTOR: u32 = 4;

/// Bytes of history of the first read.
const STRETCH_BYTES_FIRST: usize = 1024 * 1024;
/// Bytes of history that a turn reads at most. A larger value means that more events of one document are folded in one
/// call.
pub(super) const STRETCH_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Bytes of history that a turn reads at least. This is also the amount while events are folded one by one.
pub(super) const STRETCH_BYTES_MIN: usize = 32 * 1024;

/// A projection whose events fail one after the other pauses at most this many times as long as they took.
const REST_FACTOR_MAX: u32 = 8;

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

    /// CPU time after which a part of the history is aborted.
    pub(super) fn stretch_cpu_max(self) -> Duration {
        self.turn_cpu_max() * GIVEN_UP_FACTOR
    }
}

/// The amount of history that the next turn reads: as much as fits into its budget.
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

    /// Adapts the amount after a part that was folded completely.
    pub(super) fn folded(&mut self, used: Duration, lane: Lane) {
        let bytes = match used {
            used if used > lane.turn_cpu_max() => self.bytes / 2,
            used if used < lane.turn_cpu_max() / 2 => self.bytes * 2,
            _ => self.bytes,
        };
        self.bytes = bytes.clamp(STRETCH_BYTES_MIN, STRETCH_BYTES_MAX);
    }

    /// Reduces the amount after a part that was aborted. Returns `false` if it cannot become smaller; then the events
    /// must be folded one by one.
    pub(super) fn given_up(&mut self) -> bool {
        let can_shrink = self.bytes > STRETCH_BYTES_MIN;
        self.bytes = (self.bytes / 8).max(STRETCH_BYTES_MIN);
        can_shrink
    }
}

/// Counts events that failed one after the other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Failures {
    in_a_row: u32,
}

impl Failures {
    pub(super) fn succeeded(&mut self) {
        self.in_a_row = 0;
    }

    /// Counts a failure that took this much CPU time. Returns how long the projection must pause.
    pub(super) fn failed(&mut self, used: Duration) -> Duration {
        self.in_a_row = self.in_a_row.saturating_add(1);
        used * (self.in_a_row - 1).min(REST_FACTOR_MAX)
    }
}

/// Wait before the next turn, after this many turns in a row without progress.
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
    fn a_part_that_is_aborted_repeatedly_is_folded_one_by_one() {
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
    fn failures_in_a_row_lengthen_the_pause_until_a_success() {
        let (mut failures, second) = (Failures::default(), Duration::from_secs(1));
        let rests: Vec<u64> = (0..11).map(|_| failures.failed(second).as_secs()).collect();
        assert_eq!(rests, [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8]);
        failures.succeeded();
        assert_eq!(failures.failed(second), Duration::ZERO);
    }

    #[test]
    fn turns_without_progress_are_retried_less_and_less_often() {
        let waits: Vec<u64> = (1..8).map(|stuck| retry_after(stuck).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 16, 16]);
    }
}
