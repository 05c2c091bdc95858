//! Reserves part of the disk for the journal. While less is free, the host writes nothing there that can be made again
//! later. The journal itself may fill the disk to the last byte.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::Disk;

/// How long a measurement of the free space is valid.
const REFRESH_EVERY: Duration = Duration::from_millis(500);

/// The free space on the disk is less than the reserve for the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the disk is nearly full: {free_bytes} bytes are left, and {reserve_bytes} are kept for the journal; writing continues when there is space"
)]
pub struct Shortage {
    pub free_bytes: u64,
    pub reserve_bytes: u64,
}

pub(crate) struct DiskReserve {
    disk: Arc<dyn Disk>,
    reserve_bytes: u64,
    refreshed: Mutex<Option<Instant>>,
    free_bytes: AtomicU64,
    is_short: AtomicBool,
}

impl DiskReserve {
    pub(crate) fn new(disk: Arc<dyn Disk>, reserve_bytes: u64) -> Self {
        let (refreshed, is_short) = Default::default();
        Self { disk, reserve_bytes, refreshed, free_bytes: AtomicU64::new(u64::MAX), is_short }
    }

    /// Checks whether anything but the journal may be written now.
    pub(crate) fn check(&self) -> Result<(), Shortage> {
        self.refresh();
        let (free_bytes, reserve_bytes) = (self.free_bytes.load(Ordering::Relaxed), self.reserve_bytes);
        let is_short = free_bytes < reserve_bytes;
        let shortage = Shortage { free_bytes, reserve_bytes };
        match (self.is_short.swap(is_short, Ordering::Relaxed), is_short) {
            (false, true) => {
                tracing::error!("{shortage}; until then no views, snapshots, compiled code or uploads are written");
            }
            (true, false) => tracing::info!(free_bytes, "there is space on the disk again"),
            _ => {}
        }
        if is_short { Err(shortage) } else { Ok(()) }
    }

    /// Measures the free space if the last measurement is too old. If the file system does not report it, assumes that
    /// there is space; the write itself fails otherwise.
    fn refresh(&self) {
        // If another thread holds the lock, that thread is measuring the free space, and this one uses the last figure.
        let Ok(mut refreshed) = self.refreshed.try_lock().or_else(|error| match error {
            std::sync::TryLockError::Poisoned(poisoned) => Ok(PoisonError::into_inner(poisoned)),
            std::sync::TryLockError::WouldBlock => Err(()),
        }) else {
            return;
        };
        if refreshed.is_some_and(|refreshed| refreshed.elapsed() < REFRESH_EVERY) {
            return;
        }
        *refreshed = Some(Instant::now());
        self.free_bytes.store(self.disk.free_bytes().unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}
