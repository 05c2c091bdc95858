//! Measures the processor time of the current call. It is measured only when a tick finds the call running, so the many
//! calls that end between two ticks cost nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::cpu_time::CpuTime;
use crate::interrupt;
use crate::watchdog::Pulse;

/// Wall-clock limit as a multiple of the limit on processor time, so that a starved call also ends.
const WAITING_FACTOR: u32 = 10;

pub(crate) struct CallTime {
    pulse: Pulse,
    cpu_time_max: Duration,
    /// Measured from the first tick that found the call running.
    spent: Option<(CpuTime, Instant)>,
    /// Set when the call's answer is not needed any more.
    is_gone: Option<Arc<AtomicBool>>,
    /// Whether the last call was ended by an interrupt, and not by its time.
    was_interrupted: bool,
}

impl CallTime {
    pub(crate) fn new(pulse: Pulse, cpu_ms_max: u64) -> Self {
        Self {
            pulse,
            cpu_time_max: Duration::from_millis(cpu_ms_max),
            spent: None,
            is_gone: None,
            was_interrupted: false,
        }
    }

    /// From now on a call also ends when this flag is set.
    pub(crate) fn end_when(&mut self, is_gone: Arc<AtomicBool>) {
        self.is_gone = Some(is_gone);
    }

    /// Called when a call begins.
    pub(crate) fn begin(&mut self) {
        self.end();
        self.was_interrupted = false;
        self.pulse.call_begins();
    }

    /// Called when the call has ended.
    pub(crate) fn end(&mut self) {
        if self.spent.take().is_some() {
            self.pulse.long_call_ends();
        }
    }

    /// Called when a tick has found the call running; returns whether the call must end. Its limit is on processor time
    /// and not on wall-clock time, so that no domain is blamed for other load on the machine.
    pub(crate) fn is_over(&mut self) -> bool {
        self.was_interrupted = interrupt::is_interrupted();
        if self.was_interrupted || self.is_gone.as_ref().is_some_and(|is_gone| is_gone.load(Ordering::Relaxed)) {
            return true;
        }
        let (cpu_time, since) = self.spent.get_or_insert_with(|| {
            self.pulse.long_call_begins();
            (CpuTime::now(), Instant::now())
        });
        is_used_up(Duration::from_nanos(cpu_time.elapsed_ns()), since.elapsed(), self.cpu_time_max)
    }
}

impl CallTime {
    pub(crate) fn was_interrupted(&self) -> bool {
        self.was_interrupted
    }
}

impl Drop for CallTime {
    fn drop(&mut self) {
        self.end();
    }
}

fn is_used_up(cpu_time: Duration, wall_time: Duration, cpu_time_max: Duration) -> bool {
    cpu_time >= cpu_time_max || wall_time >= cpu_time_max.saturating_mul(WAITING_FACTOR)
}

#[cfg(test)]
mod tests {
    use wasmtime::Engine;

    use super::*;
    use crate::watchdog::Watchdog;

    #[test]
    fn a_call_that_waits_for_the_processor_goes_on_and_ends_at_the_wall_clock_limit() {
        let max = Duration::from_millis(20);
        let cases = [(0, 0, false), (1, 199, false), (19, 20, false), (20, 20, true), (0, 200, true), (25, 300, true)];
        for (cpu_ms, wall_ms, expected) in cases {
            let (cpu_time, wall_time) = (Duration::from_millis(cpu_ms), Duration::from_millis(wall_ms));
            assert_eq!(is_used_up(cpu_time, wall_time, max), expected, "{cpu_ms} ms of {wall_ms} ms");
        }
        assert!(!is_used_up(max, max, Duration::MAX));
    }

    #[test]
    fn a_call_whose_caller_is_gone_is_over_whatever_time_it_has_left() {
        let watchdog = Watchdog::start(Engine::default()).unwrap();
        let (mut turn, is_gone) = (CallTime::new(watchdog.pulse(), 60_000), Arc::<AtomicBool>::default());
        turn.end_when(Arc::clone(&is_gone));
        turn.begin();
        assert!(!turn.is_over());
        is_gone.store(true, Ordering::Relaxed);
        assert!(turn.is_over());
    }

    #[test]
    fn each_call_has_a_turn_of_its_own() {
        let watchdog = Watchdog::start(Engine::default()).unwrap();
        let mut turn = CallTime::new(watchdog.pulse(), 1);
        turn.begin();
        while !turn.is_over() {}
        turn.begin();
        assert!(turn.spent.is_none());
    }
}
