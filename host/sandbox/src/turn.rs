//! How long the call under way has had the processor. Looked at when a tick finds the call running, so that the many calls that end
//! between two ticks pay nothing for it.

use std::time::{Duration, Instant};

use crate::cpu_time::CpuTime;
use crate::watchdog::Pulse;

/// By the clock on the wall a call may take so many times as long as it may keep the processor: nobody waits for ever for a call that
/// gets no turn on it.
const WAITING_FACTOR: u32 = 10;

pub(crate) struct Turn {
    pulse: Pulse,
    cpu_time_max: Duration,
    /// From the first tick that found the call running.
    spent: Option<(CpuTime, Instant)>,
}

impl Turn {
    pub(crate) fn new(pulse: Pulse, cpu_ms_max: u64) -> Self {
        Self { pulse, cpu_time_max: Duration::from_millis(cpu_ms_max), spent: None }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.end();
        self.pulse.call_begins();
    }

    /// It is over.
    pub(crate) fn end(&mut self) {
        if self.spent.take().is_some() {
            self.pulse.long_call_ends();
        }
    }

    /// A tick has found the call running. Whether it has had its time: that of the processor and not of the clock on the wall, so
    /// that no domain is blamed for what others do with the machine.
    pub(crate) fn is_over(&mut self) -> bool {
        let (cpu_time, since) = self.spent.get_or_insert_with(|| {
            self.pulse.long_call_begins();
            (CpuTime::now(), Instant::now())
        });
        Duration::from_nanos(cpu_time.elapsed_ns()) >= self.cpu_time_max
            || since.elapsed() >= self.cpu_time_max.saturating_mul(WAITING_FACTOR)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use wasmtime::Engine;

    use super::*;
    use crate::watchdog::Watchdog;

    #[test]
    fn a_call_that_waits_for_the_processor_is_not_over() {
        let watchdog = Watchdog::start(Engine::default()).unwrap();
        let mut turn = Turn::new(watchdog.pulse(), 20);
        turn.begin();
        assert!(!turn.is_over());
        std::thread::sleep(Duration::from_millis(30));
        assert!(!turn.is_over());
        let began = Instant::now();
        while !turn.is_over() {}
        assert!(began.elapsed() >= Duration::from_millis(10), "{:?}", began.elapsed());
        turn.begin();
        assert!(!turn.is_over(), "the next call has a turn of its own");
        std::thread::sleep(Duration::from_millis(200));
        assert!(turn.is_over(), "who gets no turn at all is not waited for");
    }
}
