//! Counts since the journal was opened, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    pub frames: u64,
    pub records: u64,
    pub events: u64,
    /// Total size of the frames, in bytes, without their padding to whole sectors.
    pub bytes: u64,
    pub syncs: u64,
    pub sync_ns_sum: u64,
    pub sync_ns_max: u64,
    pub sync_ns_last: u64,
}

/// Counters that one thread writes and any thread reads.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    frames: AtomicU64,
    records: AtomicU64,
    events: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
    sync_ns_sum: AtomicU64,
    sync_ns_max: AtomicU64,
    sync_ns_last: AtomicU64,
}

impl Counters {
    pub(crate) fn frame(&self, records: u64, events: u64, bytes: u64) {
        for (counter, count) in
            [(&self.frames, 1), (&self.records, records), (&self.events, events), (&self.bytes, bytes)]
        {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(crate) fn sync(&self, took: Duration) {
        let took_ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.sync_ns_sum.fetch_add(took_ns, Ordering::Relaxed);
        self.sync_ns_max.fetch_max(took_ns, Ordering::Relaxed);
        self.sync_ns_last.store(took_ns, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Statistics {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            frames: get(&self.frames),
            records: get(&self.records),
            events: get(&self.events),
            bytes: get(&self.bytes),
            syncs: get(&self.syncs),
            sync_ns_sum: get(&self.sync_ns_sum),
            sync_ns_max: get(&self.sync_ns_max),
            sync_ns_last: get(&self.sync_ns_last),
        }
    }
}
