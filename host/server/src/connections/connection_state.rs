//! What one connection is doing: whether it serves a request, and since when its client keeps the host waiting.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::Notify;

/// The state of one connection, shared by the tasks that serve it.
#[derive(Debug, Default)]
pub(crate) struct ConnectionState {
    /// Odd while a request is served, even while the next is awaited. Only grows, so that two requests always differ.
    step: AtomicU64,
    /// The moment from which on the client keeps the host waiting, in milliseconds of [`now_ms`]; 0 if it does not.
    waiting_since_ms: AtomicU64,
    evicted: Notify,
}

impl ConnectionState {
    pub(crate) fn step(&self) -> u64 {
        self.step.load(Ordering::Relaxed)
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.step() % 2 == 1
    }

    /// The head of a request has arrived.
    pub(crate) fn begin(&self) {
        self.step.fetch_add(1, Ordering::Relaxed);
        self.goes_on();
    }

    /// The answer is complete.
    pub(crate) fn end(&self) {
        self.step.fetch_add(1, Ordering::Relaxed);
        self.waits();
    }

    /// The client has to send or read next.
    pub(crate) fn waits(&self) {
        if self.waiting_since_ms.load(Ordering::Relaxed) == 0 {
            self.waiting_since_ms.store(now_ms(), Ordering::Relaxed);
        }
    }

    /// The client has sent or read.
    pub(crate) fn goes_on(&self) {
        self.waiting_since_ms.store(0, Ordering::Relaxed);
    }

    /// The moment from which on the client keeps the host waiting, in milliseconds since a fixed one; 0 if it does not.
    pub(super) fn waiting_since_ms(&self) -> u64 {
        self.waiting_since_ms.load(Ordering::Relaxed)
    }

    /// Ends the connection, since another one needs its slot.
    pub(super) fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Resolves when another connection takes the slot.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

/// Milliseconds since the first call, plus 1.
fn now_ms() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_millis() as u64 + 1
}
