//! Ends calls that take too long by the wall clock: advances the engine's epoch while calls are under way, and sleeps otherwise.
//! Knows nothing of what is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wasmtime::Engine;

/// How finely wall time is measured, in milliseconds. A call is ended at most two ticks after its limit.
pub const TICK_MS: u64 = 10;

pub(crate) struct Watchdog {
    shared: Arc<Shared>,
    ticker: Option<JoinHandle<()>>,
}

struct Shared {
    /// A call has begun since the last tick.
    active: AtomicBool,
    /// The ticker sleeps until it is woken.
    asleep: AtomicBool,
    stopping: AtomicBool,
    /// The longest deadline that any call was ever given.
    deadline_ticks_max: AtomicU64,
}

impl Watchdog {
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            active: AtomicBool::new(false),
            asleep: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            deadline_ticks_max: AtomicU64::new(0),
        });
        let for_ticker = Arc::clone(&shared);
        let ticker = thread::Builder::new().name("polder-watchdog".into()).spawn(move || {
            tick(&engine, &for_ticker);
        })?;
        Ok(Self { shared, ticker: Some(ticker) })
    }

    /// The deadline to give to calls that may take `wall_ms`. To be asked before the first of them.
    pub(crate) fn deadline_ticks(&self, wall_ms: u64) -> u64 {
        // One more than the division says: the first tick may come at once.
        let ticks = wall_ms.div_ceil(TICK_MS).saturating_add(1);
        self.shared.deadline_ticks_max.fetch_max(ticks, Ordering::SeqCst);
        ticks
    }

    /// On the path of every call: one read of a shared flag, unless this is the first call since a tick.
    pub(crate) fn call_begins(&self) {
        if self.shared.active.load(Ordering::Relaxed) {
            return;
        }
        self.shared.active.store(true, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(ticker) = &self.ticker {
            ticker.thread().unpark();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(ticker) = self.ticker.take() {
            // It cannot panic: it counts and sleeps.
            let _ = ticker.join();
        }
    }
}

/// Calls announce their beginning, not their end: a call that begins within an active tick says nothing. So the ticker goes on for
/// as long after the last announcement as the longest call can take.
fn tick(engine: &Engine, shared: &Shared) {
    let mut quiet_ticks = 0_u64;
    while !shared.stopping.load(Ordering::SeqCst) {
        if quiet_ticks > shared.deadline_ticks_max.load(Ordering::SeqCst).saturating_add(1) {
            sleep_until_needed(shared);
            quiet_ticks = 0;
        }
        thread::park_timeout(Duration::from_millis(TICK_MS));
        engine.increment_epoch();
        quiet_ticks = if shared.active.swap(false, Ordering::SeqCst) { 0 } else { quiet_ticks + 1 };
    }
}

fn sleep_until_needed(shared: &Shared) {
    // Here `asleep` is written before `active` is read; a call writes and reads them the other way round. So at least one of the
    // two sees the other, and no call begins unwatched.
    shared.asleep.store(true, Ordering::SeqCst);
    while !shared.active.load(Ordering::SeqCst) && !shared.stopping.load(Ordering::SeqCst) {
        thread::park();
    }
    shared.asleep.store(false, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_has_a_tick_to_spare() {
        let watchdog = Watchdog::start(Engine::default()).unwrap();
        assert_eq!(watchdog.deadline_ticks(0), 1);
        assert_eq!(watchdog.deadline_ticks(1), 2);
        assert_eq!(watchdog.deadline_ticks(TICK_MS), 2);
        assert_eq!(watchdog.deadline_ticks(u64::MAX), u64::MAX / TICK_MS + 2);
    }

    #[test]
    fn it_falls_asleep_and_wakes_and_ends() {
        let watchdog = Watchdog::start(Engine::default()).unwrap();
        for _ in 0..3 {
            while !watchdog.shared.asleep.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            watchdog.call_begins();
            while watchdog.shared.asleep.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        let shared = Arc::downgrade(&watchdog.shared);
        drop(watchdog);
        assert!(shared.upgrade().is_none(), "the ticker still runs");
    }
}
