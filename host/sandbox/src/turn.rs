//! How long the call under way has had the processor. Looked at when a tick finds the call running, so that the many calls that end
//! between two ticks pay nothing for it.

use crate::cpu_time::CpuTime;
use crate::watchdog::Pulse;

pub(crate) struct Turn {
    pulse: Pulse,
    cpu_ns_max: u64,
    /// From the first tick that found the call running.
    spent: Option<CpuTime>,
}

impl Turn {
    pub(crate) fn new(pulse: Pulse, cpu_ms_max: u64) -> Self {
        Self { pulse, cpu_ns_max: cpu_ms_max.saturating_mul(1_000_000), spent: None }
    }

    /// A call begins.
    pub(crate) fn begin(&mut self) {
        self.spent = None;
        self.pulse.call_runs();
    }

    /// A tick has found the call running. Whether it has had its time: that of the processor and not of the clock on the wall, so
    /// that no domain is blamed for what others do with the machine.
    pub(crate) fn is_over(&mut self) -> bool {
        self.pulse.call_runs();
        self.spent.get_or_insert_with(CpuTime::now).elapsed_ns() >= self.cpu_ns_max
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
    }
}
