//! Decides on which lane a domain's commands run: the fast lane, or the slow lane if some of them took too long
//! recently.
//!
//! On the fast lane a call has a short slice. A domain that exceeds it spends some time on the slow lane, and twice as
//! long each time it soon does so again. A guest that loops now and then thus cannot take a slice from the other
//! tenants each time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use polder_core::Limits;
use polder_sandbox::CallErrorKind;

/// Fuel of a call on the fast lane, in instructions: a few milliseconds, and a thousand times what a rule needs.
const SLICE_FUEL: u64 = 5_000_000;
/// CPU time of a call on the fast lane, in milliseconds, for work that fuel does not count. The watchdog counts ticks
/// of this length.
pub(crate) const SLICE_MS: u64 = polder_sandbox::TICK_MS;
/// Duration of a domain's first stay on the slow lane.
const SLOW_MIN: Duration = Duration::from_millis(100);
/// Longest stay on the slow lane.
const SLOW_MAX: Duration = Duration::from_secs(30);
/// A domain that has behaved for this many times its last stay starts with [`SLOW_MIN`] again.
const FORGIVEN_AFTER_STAYS: u32 = 10;

/// The tenant's limits, reduced to what a call on the fast lane may use.
pub(crate) fn slice_of(limits: &Limits) -> Limits {
    Limits {
        fuel_per_call_max: limits.fuel_per_call_max.min(SLICE_FUEL),
        call_wall_ms_max: limits.call_wall_ms_max.min(SLICE_MS),
        ..*limits
    }
}

/// Whether the call ended because of its slice and not because of the tenant's limits.
pub(crate) fn overran_slice(kind: &CallErrorKind, limits: &Limits) -> bool {
    match kind {
        CallErrorKind::OutOfFuel { fuel_max } => *fuel_max < limits.fuel_per_call_max,
        CallErrorKind::OutOfTime { ms } => *ms < limits.call_wall_ms_max,
        _ => false,
    }
}

/// The lane policy of one domain, shared by all workers.
pub(crate) struct LanePolicy {
    since: Instant,
    /// The domain is slow until this time, in nanoseconds since `since`; 0 if it never was. It is the only field that
    /// every command reads.
    slow_until_ns: AtomicU64,
    stay: Mutex<Stay>,
}

impl Default for LanePolicy {
    fn default() -> Self {
        Self { since: Instant::now(), slow_until_ns: AtomicU64::new(0), stay: Mutex::default() }
    }
}

impl LanePolicy {
    pub(crate) fn is_slow(&self) -> bool {
        match self.slow_until_ns.load(Ordering::Relaxed) {
            0 => false,
            until => self.now().as_nanos() < u128::from(until),
        }
    }

    pub(crate) fn overran(&self) {
        let mut stay = self.stay.lock().unwrap_or_else(PoisonError::into_inner);
        *stay = stay.longer(self.now());
        let until_ns = u64::try_from(stay.until.as_nanos()).unwrap_or(u64::MAX);
        self.slow_until_ns.store(until_ns, Ordering::Relaxed);
    }

    fn now(&self) -> Duration {
        self.since.elapsed()
    }
}

/// A stay on the slow lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stay {
    length: Duration,
    until: Duration,
}

impl Stay {
    /// The stay after one more overrun.
    fn longer(self, now: Duration) -> Self {
        let is_forgiven = now > self.until + self.length * FORGIVEN_AFTER_STAYS;
        let length = if is_forgiven { SLOW_MIN } else { (self.length * 2).clamp(SLOW_MIN, SLOW_MAX) };
        Self { length, until: now + length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn repeated_overruns_lengthen_the_stay() {
        let mut stay = Stay::default();
        for length_ms in [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
            let now = stay.until + SECOND / 10;
            stay = stay.longer(now);
            assert_eq!(stay, Stay { length: Duration::from_millis(length_ms), until: now + stay.length });
        }
    }

    #[test]
    fn long_good_behaviour_resets_the_stay() {
        let stay = Stay { length: SECOND, until: 5 * SECOND };
        assert_eq!(stay.longer(15 * SECOND).length, 2 * SECOND);
        assert_eq!(stay.longer(16 * SECOND).length, SLOW_MIN);
    }

    #[test]
    fn slow_ends_by_itself() {
        let lane_policy = LanePolicy::default();
        assert!(!lane_policy.is_slow());
        lane_policy.overran();
        assert!(lane_policy.is_slow());
        lane_policy.slow_until_ns.store(1, Ordering::Relaxed);
        assert!(!lane_policy.is_slow());
    }

    #[test]
    fn the_end_of_a_slice_differs_from_the_tenants_limit() {
        let small = Limits { fuel_per_call_max: 1_000, call_wall_ms_max: 1, ..Limits::DEFAULT };
        for (limits, is_slice) in [(Limits::DEFAULT, true), (small, false)] {
            let slice = slice_of(&limits);
            let fuel = CallErrorKind::OutOfFuel { fuel_max: slice.fuel_per_call_max };
            let time = CallErrorKind::OutOfTime { ms: slice.call_wall_ms_max };
            assert_eq!((overran_slice(&fuel, &limits), overran_slice(&time, &limits)), (is_slice, is_slice));
            assert!(!overran_slice(&CallErrorKind::Trapped(String::new()), &limits));
        }
    }
}
