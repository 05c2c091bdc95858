//! Figures: latencies by rank, rates, memory, CPU time and bytes written.

use std::time::Duration;

use serde::Serialize;

/// Latencies by rank, in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

impl Latency {
    /// Ranks the times, of which there must be at least one.
    pub(crate) fn of(mut times: Vec<Duration>) -> Self {
        assert!(!times.is_empty(), "a bench measures at least once");
        times.sort_unstable();
        let rank = |per_mille: usize| {
            let index = (times.len() * per_mille).div_ceil(1_000).max(1) - 1;
            times[index].as_nanos() as f64 / 1e3
        };
        Self { p50_us: rank(500), p99_us: rank(990), p999_us: rank(999), max_us: rank(1_000) }
    }
}

impl std::fmt::Display for Latency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "p50 {:.0} µs, p99 {:.0} µs, p99.9 {:.0} µs", self.p50_us, self.p99_us, self.p999_us)
    }
}

/// Figures of commands that were sent over a network.
#[derive(Serialize)]
pub(crate) struct Sent {
    pub(crate) commands: usize,
    pub(crate) commands_per_second: f64,
    pub(crate) latency: Latency,
}

impl Sent {
    pub(crate) fn of(times: Vec<Duration>, took: Duration) -> Self {
        let commands = times.len();
        Self { commands, commands_per_second: per_second(commands, took), latency: Latency::of(times) }
    }
}

pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Resident memory of this process in bytes, or `None` if the system does not report it.
pub(crate) fn resident_bytes() -> Option<u64> {
    status_field("VmRSS:")
}

/// Highest resident memory of this process in bytes, or `None` if the system does not report it.
pub(crate) fn resident_bytes_peak() -> Option<u64> {
    status_field("VmHWM:")
}

/// Resets the highest resident memory to the present one. If the system refuses, it stays that of the whole process:
/// too high, never too low.
pub(crate) fn forget_resident_bytes_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// CPU time of all threads of this process.
pub(crate) fn cpu_time() -> anyhow::Result<Duration> {
    let usage = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Ok(Duration::new(u64::try_from(usage.tv_sec)?, u32::try_from(usage.tv_nsec)?))
}

/// Bytes that this process has written to storage so far, or `None` if the system does not count them.
pub(crate) fn written_bytes() -> Option<u64> {
    let counts = std::fs::read_to_string("/proc/self/io").ok()?;
    let count = |name: &str| counts.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    // The second counter holds bytes of files that were deleted before they reached the disk.
    Some(count("write_bytes:")?.saturating_sub(count("cancelled_write_bytes:")?))
}

fn status_field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sorted_times() {
        let latency = Latency::of((1..=1000).rev().map(Duration::from_micros).collect());
        assert_eq!((latency.p50_us, latency.p99_us, latency.p999_us, latency.max_us), (500.0, 990.0, 999.0, 1000.0));
    }
}
