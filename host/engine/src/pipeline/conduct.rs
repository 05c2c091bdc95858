//! Where a domain's commands belong: with the others, or on the slow lane because some of them took too long of late.
//!
//! On the first lane a call has a short slice. A domain that overruns it spends some time on the slow lane, twice as long each
//! time it happens again soon, so that a guest which loops now and then cannot take a slice from the others each time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use polder_core::Limits;
use polder_sandbox::CallErrorKind;

/// Instructions, about, that a call on the first lane may spend: a few milliseconds, a thousand times what a rule takes.
const SLICE_FUEL: u64 = 5_000_000;
/// How long a call on the first lane may keep the processor, for what fuel does not see. The watchdog counts in ticks of this length.
pub(super) const SLICE_MS: u64 = polder_sandbox::TICK_MS;
/// How long a domain stays on the slow lane the first time.
const SLOW_MIN: Duration = Duration::from_millis(100);
/// And at most.
const SLOW_MAX: Duration = Duration::from_secs(30);
/// After so many times its last stay it begins with [`SLOW_MIN`] again.
const FORGIVEN_AFTER_STAYS: u32 = 10;

/// What a call on the first lane may use.
pub(crate) fn slice_of(limits: &Limits) -> Limits {
    Limits {
        fuel_per_call_max: limits.fuel_per_call_max.min(SLICE_FUEL),
        call_wall_ms_max: limits.call_wall_ms_max.min(SLICE_MS),
        ..*limits
    }
}

/// The call ended because its slice did, not because of the tenant's limits.
pub(crate) fn overran_slice(kind: &CallErrorKind, limits: &Limits) -> bool {
    match kind {
        CallErrorKind::OutOfFuel { fuel_max } => *fuel_max < limits.fuel_per_call_max,
        CallErrorKind::OutOfTime { ms } => *ms < limits.call_wall_ms_max,
        _ => false,
    }
}

/// One domain's, on all workers.
pub(crate) struct Conduct {
    since: Instant,
    /// Slow until then, in nanoseconds since `since`; 0 when it never was. The one thing asked for at each command.
    slow_until_ns: AtomicU64,
    stay: Mutex<Stay>,
}

impl Default for Conduct {
    fn default() -> Self {
        Self { since: Instant::now(), slow_until_ns: AtomicU64::new(0), stay: Mutex::default() }
    }
}

impl Conduct {
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

/// On the slow lane.
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
    fn who_overruns_again_and_again_stays_longer() {
        let mut stay = Stay::default();
        for length_ms in [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
            let now = stay.until + SECOND / 10;
            stay = stay.longer(now);
            assert_eq!(stay, Stay { length: Duration::from_millis(length_ms), until: now + stay.length });
        }
    }

    #[test]
    fn who_behaves_for_long_begins_anew() {
        let stay = Stay { length: SECOND, until: 5 * SECOND };
        assert_eq!(stay.longer(15 * SECOND).length, 2 * SECOND);
        assert_eq!(stay.longer(16 * SECOND).length, SLOW_MIN);
    }

    #[test]
    fn slow_ends_by_itself() {
        let conduct = Conduct::default();
        assert!(!conduct.is_slow());
        conduct.overran();
        assert!(conduct.is_slow());
        conduct.slow_until_ns.store(1, Ordering::Relaxed);
        assert!(!conduct.is_slow());
    }

    #[test]
    fn a_verdict_is_told_from_a_slice() {
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
