//! Latencies and their percentiles. The same ranks as in `polder-bench`.

use std::time::Duration;

use serde::Serialize;

/// Microseconds, by rank.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Latency {
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub max_us: f64,
}

/// One run with one number of callers.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    pub in_flight: usize,
    pub operations: usize,
    pub per_second: f64,
    /// The number of retries that the system asked for. The latency of a command counts from its first try.
    pub retries: usize,
    /// None when no command ended in time.
    pub latency: Option<Latency>,
}

impl Run {
    pub(crate) fn of(in_flight: usize, took: Duration, times: Vec<Duration>, retries: usize) -> Self {
        let operations = times.len();
        Self {
            in_flight,
            operations,
            per_second: operations as f64 / took.as_secs_f64(),
            retries,
            latency: Latency::of(times),
        }
    }
}

impl Latency {
    fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let rank = |per_mille: usize| {
            let index = (times.len() * per_mille).div_ceil(1_000).max(1) - 1;
            times.get(index).map(|time| time.as_nanos() as f64 / 1e3)
        };
        Some(Self { p50_us: rank(500)?, p99_us: rank(990)?, p999_us: rank(999)?, max_us: rank(1_000)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_those_of_the_sorted_times() {
        let latency = Latency::of((1..=1000).rev().map(Duration::from_micros).collect()).unwrap();
        assert_eq!((latency.p50_us, latency.p99_us, latency.p999_us, latency.max_us), (500.0, 990.0, 999.0, 1000.0));
        assert!(Latency::of(Vec::new()).is_none());
    }
}
