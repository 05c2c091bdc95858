//! Makes long calls visible: advances the engine's epoch while calls are running, and sleeps otherwise. Knows nothing
//! of what is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

use wasmtime::Engine;

/// Resolution of the time of a call, in milliseconds. A call is ended at most two ticks after its limit.
pub const TICK_MS: u64 = 10;
/// Ticks without a new call before the ticker sleeps. Every call reports its start, and a call that a tick found
/// running also reports its end. A call that is starved of processor time is safe: the epoch has already advanced, so
/// it checks its deadline as soon as it runs.
const QUIET_TICKS_MAX: u64 = 2;

pub(crate) struct Watchdog {
    pulse: Pulse,
    ticker: Option<JoinHandle<()>>,
}

/// A call's handle to the ticker thread.
#[derive(Clone)]
pub(crate) struct Pulse {
    shared: Arc<Shared>,
    ticker: Thread,
}

struct Shared {
    /// Whether a call has begun since the last tick.
    active: AtomicBool,
    /// Number of running calls that a tick has found. They need the next tick too.
    long_calls: AtomicUsize,
    /// Whether the ticker sleeps until it is woken.
    asleep: AtomicBool,
    stopping: AtomicBool,
}

impl Watchdog {
    pub(crate) fn start(engine: Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            active: AtomicBool::new(false),
            long_calls: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let for_ticker = Arc::clone(&shared);
        let ticker = thread::Builder::new().name("polder-watchdog".into()).spawn(move || {
            tick(&engine, &for_ticker);
        })?;
        Ok(Self { pulse: Pulse { shared, ticker: ticker.thread().clone() }, ticker: Some(ticker) })
    }

    pub(crate) fn pulse(&self) -> Pulse {
        self.pulse.clone()
    }
}

impl Pulse {
    /// Called by every call. It costs one read of a shared flag, unless this is the first call since a tick.
    pub(crate) fn call_begins(&self) {
        if self.shared.active.load(Ordering::Relaxed) {
            return;
        }
        self.shared.active.store(true, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn long_call_begins(&self) {
        self.shared.long_calls.fetch_add(1, Ordering::SeqCst);
        self.wake();
    }

    pub(crate) fn long_call_ends(&self) {
        self.shared.long_calls.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake(&self) {
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.ticker.unpark();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.pulse.shared.stopping.store(true, Ordering::SeqCst);
        self.pulse.ticker.unpark();
        if let Some(ticker) = self.ticker.take() {
            // The ticker cannot panic: it only counts and sleeps.
            let _ = ticker.join();
        }
    }
}

impl Shared {
    fn is_needed(&self) -> bool {
        self.active.load(Ordering::SeqCst)
            || self.long_calls.load(Ordering::SeqCst) > 0
            || self.stopping.load(Ordering::SeqCst)
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    let mut quiet_ticks = 0_u64;
    while !shared.stopping.load(Ordering::SeqCst) {
        if quiet_ticks > QUIET_TICKS_MAX {
            sleep_until_needed(shared);
            quiet_ticks = 0;
        }
        thread::park_timeout(Duration::from_millis(TICK_MS));
        engine.increment_epoch();
        quiet_ticks = if shared.active.swap(false, Ordering::SeqCst) { 0 } else { quiet_ticks + 1 };
    }
}

fn sleep_until_needed(shared: &Shared) {
    // The ticker writes `asleep` first and then reads whether a call is running. A call does the opposite: it writes
    // first that it is running, and then reads `asleep`. So at least one of them sees the other's write, and no call
    // runs unwatched.
    shared.asleep.store(true, Ordering::SeqCst);
    while !shared.is_needed() {
        thread::park();
    }
    shared.asleep.store(false, Ordering::SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticker_falls_asleep_wakes_and_ends() {
        let watchdog = Watchdog::start(Engine::default()).unwrap();
        let pulse = watchdog.pulse();
        for _ in 0..3 {
            while !pulse.shared.asleep.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            pulse.call_begins();
            while pulse.shared.asleep.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        }
        let shared = Arc::downgrade(&pulse.shared);
        drop((pulse, watchdog));
        assert!(shared.upgrade().is_none(), "the ticker still runs");
    }

    /// The call may report at any time: it may be starved of processor time between its report and its next tick.
    #[test]
    fn the_ticker_is_needed_while_a_long_call_is_running() {
        let watchdog = Watchdog::start(Engine::default()).unwrap();
        let pulse = watchdog.pulse();
        assert!(!pulse.shared.is_needed());
        pulse.long_call_begins();
        assert!(pulse.shared.is_needed());
        pulse.long_call_ends();
        assert!(!pulse.shared.is_needed());
    }
}
