//! The host's clock: the only one, and never backwards while the host runs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use polder_core::TimestampMs;

#[derive(Debug, Default)]
pub(crate) struct Clock {
    newest_ms: AtomicU64,
}

impl Clock {
    pub(crate) fn now(&self) -> TimestampMs {
        // A machine set to before 1970 gets 1970: no reason to refuse work.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_ms = u64::try_from(wall.as_millis()).unwrap_or(u64::MAX);
        TimestampMs(self.newest_ms.fetch_max(wall_ms, Ordering::Relaxed).max(wall_ms))
    }
}
