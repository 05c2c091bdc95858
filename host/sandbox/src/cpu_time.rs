//! The processor time of a thread. It measures the duration of a call, and it is the basis for serving tenants fairly.
//! Time that a thread waits for the disk or for the processor does not count.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A stopwatch for the processor time of the thread that created it.
pub struct CpuTime {
    last_ns: u64,
    /// The wall-clock time of the same moment.
    last: Instant,
}

impl CpuTime {
    pub fn now() -> Self {
        Self { last_ns: thread_ns(), last: Instant::now() }
    }

    /// Whether at least `time` has elapsed since the stopwatch was created or its last lap. Much cheaper than
    /// [`elapsed_ns`](Self::elapsed_ns) until then: a thread cannot use more processor time than has passed on the wall
    /// clock, and reading that clock needs no system call.
    pub fn has_reached(&self, time: Duration) -> bool {
        self.last.elapsed() >= time && u128::from(self.elapsed_ns()) >= time.as_nanos()
    }

    /// Time since the stopwatch was created or its last lap, in nanoseconds.
    pub fn elapsed_ns(&self) -> u64 {
        thread_ns().saturating_sub(self.last_ns)
    }

    /// Does the same as [`elapsed_ns`](Self::elapsed_ns), and starts a new lap.
    pub fn lap_ns(&mut self) -> u64 {
        let before_ns = std::mem::replace(&mut self.last_ns, thread_ns());
        self.last = Instant::now();
        self.last_ns.saturating_sub(before_ns)
    }
}

fn thread_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither part is negative: a thread's time begins at 0.
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_counts_work_and_not_waiting() {
        let (began, mut cpu_time) = (Instant::now(), CpuTime::now());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!cpu_time.has_reached(Duration::from_millis(10)));
        assert!(cpu_time.lap_ns() < 10_000_000);
        while !cpu_time.has_reached(Duration::from_millis(1)) {}
        assert!(cpu_time.lap_ns() >= 1_000_000);
        let mut worked_ns = 0;
        while worked_ns < 1_000_000 {
            worked_ns += cpu_time.lap_ns();
        }
        assert!(began.elapsed().as_nanos() >= u128::from(worked_ns));
    }
}
