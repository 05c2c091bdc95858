//! How far publishing a tenant's events has come, for those who watch over the host.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use polder_core::Position;

#[derive(Debug, Default)]
pub struct Progress {
    confirmed: AtomicU64,
    /// Times that the stream's end had to be looked for again.
    restarts: AtomicU64,
    is_stalled: AtomicBool,
}

impl Progress {
    /// The stream is known to hold all events up to here.
    pub fn confirmed(&self) -> Position {
        Position(self.confirmed.load(Ordering::Relaxed))
    }

    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// It cannot go on by itself; the log says why.
    pub fn is_stalled(&self) -> bool {
        self.is_stalled.load(Ordering::Relaxed)
    }

    pub(super) fn confirm(&self, position: Position) {
        self.confirmed.store(position.0, Ordering::Relaxed);
    }

    pub(super) fn restart(&self) {
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stall(&self, is_stalled: bool) {
        self.is_stalled.store(is_stalled, Ordering::Relaxed);
    }
}
