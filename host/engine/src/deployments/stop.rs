//! A flag that ends work whose caller has left, or whose host stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Ends work whose caller has left. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    own: Arc<AtomicBool>,
    /// Set when the host stops.
    host: Arc<AtomicBool>,
}

impl Stop {
    pub(super) fn within(host: &Arc<AtomicBool>) -> Self {
        Self { own: Arc::default(), host: Arc::clone(host) }
    }

    pub fn set(&self) {
        self.own.store(true, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.own.load(Ordering::Relaxed) || self.host.load(Ordering::Relaxed)
    }
}

/// Sets the stop when it is dropped.
#[derive(Debug)]
pub(crate) struct StopOnDrop(pub(crate) Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}
