//! Tests that use all processors for seconds run one at a time, because two of them would measure each other.

use tokio::sync::{Mutex, MutexGuard};

static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Waits until no other heavy test runs. Hold the guard until the test ends.
pub fn heavy() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.blocking_lock()
}

/// Does what [`heavy`] does, in an async test.
pub async fn heavy_async() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().await
}
