//! Limits the commands per second with a token bucket. The bucket holds one second's commands and fills evenly. It is
//! one number that all threads share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const SECOND_NS: u64 = 1_000_000_000;

pub(super) struct Rate {
    began: Instant,
    /// Time at which the bucket is full again, in nanoseconds since `began`.
    full_ns: AtomicU64,
}

impl Rate {
    pub(super) fn new() -> Self {
        Self { began: Instant::now(), full_ns: AtomicU64::new(0) }
    }

    /// Takes one command out of the bucket. If it is empty, returns the milliseconds until there is one.
    pub(super) fn take(&self, per_second_max: u64) -> Result<(), u64> {
        let now_ns = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let mut wait_ns = 0;
        let taken = self.full_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_ns| {
            take_one(full_ns, now_ns, per_second_max).map_err(|ns| wait_ns = ns).ok()
        });
        taken.map(|_| ()).map_err(|_| wait_ns.div_ceil(1_000_000))
    }
}

/// Returns the time at which the bucket will be full after one more command, or how long it takes until there is one.
fn take_one(full_ns: u64, now_ns: u64, per_second_max: u64) -> Result<u64, u64> {
    let per_command_ns = SECOND_NS / per_second_max.clamp(1, SECOND_NS);
    let next_ns = full_ns.max(now_ns) + per_command_ns;
    match next_ns.saturating_sub(now_ns).checked_sub(SECOND_NS) {
        None | Some(0) => Ok(next_ns),
        Some(wait_ns) => Err(wait_ns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes up to `asked` commands at one moment, and returns how many were allowed.
    fn take(full_ns: &mut u64, now_ns: u64, per_second_max: u64, asked: u64) -> u64 {
        let taken = |full_ns: &mut u64| take_one(*full_ns, now_ns, per_second_max).map(|next| *full_ns = next);
        (0..asked).take_while(|_| taken(full_ns).is_ok()).count() as u64
    }

    #[test]
    fn a_full_bucket_holds_one_second_of_commands() {
        for rest_s in [0, 1, 100] {
            let mut full_ns = 0;
            assert_eq!(take(&mut full_ns, rest_s * SECOND_NS, 50, 1_000), 50);
        }
    }

    #[test]
    fn an_empty_bucket_fills_evenly_and_returns_the_wait() {
        let mut full_ns = 0;
        assert_eq!(take(&mut full_ns, 0, 10, 100), 10);
        assert_eq!(take_one(full_ns, 0, 10), Err(SECOND_NS / 10));
        assert_eq!(take_one(full_ns, 30_000_000, 10), Err(70_000_000));
        assert_eq!(take(&mut full_ns, SECOND_NS / 10, 10, 100), 1);
        assert_eq!(take(&mut full_ns, SECOND_NS / 2, 10, 100), 4);
    }

    #[test]
    fn threads_share_one_bucket() {
        let rate = Rate::new();
        let taken: usize = std::thread::scope(|scope| {
            let count = || (0..1_000).filter(|_| rate.take(1).is_ok()).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(taken, 1);
        assert!((1..=1_000).contains(&rate.take(1).unwrap_err()));
    }
}
