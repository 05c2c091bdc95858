//! Progress of publishing a tenant's events, for monitoring.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use polder_core::Position;

#[derive(Debug, Default)]
pub struct Progress {
    confirmed: AtomicU64,
    /// Number of times that the end of the stream was read again.
    restarts: AtomicU64,
    is_stalled: AtomicBool,
}

impl Progress {
    /// Position up to which the stream is known to hold all events.
    pub fn confirmed(&self) -> Position {
        Position(self.confirmed.load(Ordering::Relaxed))
    }

    pub fn restarts(&self) -> u64 {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Whether publishing cannot continue by itself; the log has the reason.
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
