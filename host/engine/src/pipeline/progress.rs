//! How far the sequencer has come, for the workers: which of their decisions are durable, and whether any more will be.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

pub(crate) struct Progress {
    /// Per worker: every ticket up to here is durable.
    durable: Vec<AtomicU64>,
    halted: OnceLock<String>,
    someone_waits: AtomicBool,
    waiting: Mutex<()>,
    moved: Condvar,
}

/// The journal failed: what was decided and is not durable never will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Halted(pub(crate) String);

impl Progress {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            durable: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            halted: OnceLock::new(),
            someone_waits: AtomicBool::new(false),
            waiting: Mutex::new(()),
            moved: Condvar::new(),
        }
    }

    pub(crate) fn durable(&self, worker: usize) -> u64 {
        self.durable[worker].load(Ordering::Acquire)
    }

    pub(crate) fn halted(&self) -> Option<String> {
        self.halted.get().cloned()
    }

    /// Blocks until the ticket is durable. Rare: only a repeated command that is still in flight, and an aggregate whose
    /// state was lost with decisions in flight, come here.
    pub(crate) fn wait(&self, worker: usize, ticket: u64) -> Result<(), Halted> {
        let mut guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            // Raised before the look: a move after the look then sees it and takes the lock to wake us.
            self.someone_waits.store(true, Ordering::SeqCst);
            if self.durable[worker].load(Ordering::SeqCst) >= ticket {
                return Ok(());
            }
            if let Some(reason) = self.halted.get() {
                return Err(Halted(reason.clone()));
            }
            guard = self.moved.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn advance(&self, worker: usize, ticket: u64) {
        self.durable[worker].store(ticket, Ordering::SeqCst);
    }

    pub(super) fn halt(&self, reason: String) {
        // Only the first reason counts; what follows is its consequence.
        let _ = self.halted.set(reason);
        self.wake();
    }

    /// After advancing.
    pub(super) fn wake(&self) {
        if self.someone_waits.swap(false, Ordering::SeqCst) {
            let _guard = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.moved.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_waiter_hears_of_its_ticket_and_of_a_halt() {
        let progress = Arc::new(Progress::new(2));
        let other = Arc::clone(&progress);
        let waiter = std::thread::spawn(move || (other.wait(1, 3), other.wait(1, 4)));
        progress.advance(0, 9);
        progress.advance(1, 3);
        progress.wake();
        progress.halt("disk full".into());
        assert_eq!(waiter.join().unwrap(), (Ok(()), Err(Halted("disk full".into()))));
        progress.halt("later".into());
        assert_eq!(progress.halted().as_deref(), Some("disk full"));
    }
}
