//! Lets readers wait until everything that was durable when they asked can be found. Usually they do not wait at all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};

/// Counts frames.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    durable: AtomicU64,
    applied: AtomicU64,
    stopped: AtomicBool,
    lock: Mutex<()>,
    changed: Condvar,
}

/// The indexer is gone, and will never catch up.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Progress {
    /// By the writer, once a frame is durable and handed on, before anyone is told.
    pub(crate) fn frame_durable(&self) {
        self.durable.fetch_add(1, Ordering::Release);
    }

    /// By the indexer, once a frame can be found.
    pub(crate) fn frame_applied(&self) {
        self.applied.fetch_add(1, Ordering::Release);
        self.wake();
    }

    /// By the indexer, when it ends for whatever reason.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn wait(&self) -> Result<(), Stopped> {
        let durable = self.durable.load(Ordering::Acquire);
        if self.applied.load(Ordering::Acquire) >= durable {
            return Ok(());
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while self.applied.load(Ordering::Acquire) < durable {
            if self.stopped.load(Ordering::Acquire) {
                return Err(Stopped);
            }
            guard = self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn wake(&self) {
        // Taking the lock closes the gap between a reader's look at the count and its going to sleep.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}
