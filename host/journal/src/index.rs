//! Finds records by aggregate, by command, or by a tenant's position. The index is derived from the journal alone, so
//! it can be deleted at any time.
//!
//! New entries are in memory, in a [`MemTable`]. The writer adds them itself, so that a record can be found as soon as
//! it is acknowledged. When the memtable is large enough it is frozen, and another thread writes it into the [`Store`]
//! as one sorted, atomic run that includes its last frame. What is missing after a crash is read from the journal
//! again.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use polder_core::{Position, Revision, Sequence, TenantName};

use crate::format::frame::Link;
use crate::lookup_keys::{AggregateKey, CommandKey};
use crate::snapshot::Snapshot;

mod chains;
mod entry;
mod error;
mod flusher;
#[cfg(test)]
mod fuzz_tests;
mod indexing;
mod layout;
mod memtable;
mod partitions;
mod runs;
mod snapshots;
mod store;

pub(crate) use entry::{DurableFrame, FrameRange, HistoryEntry, IndexedRecord, RecordLocation, TenantTotals};
pub(crate) use error::IndexError;
pub(crate) use flusher::Flusher;
pub(crate) use indexing::index_frame;
pub(crate) use memtable::MemTable;
pub(crate) use store::Store;

pub(crate) struct Index {
    store: Option<Store>,
    layers: RwLock<Layers>,
    totals: RwLock<foldhash::HashMap<TenantName, TenantTotals>>,
    /// Snapshots in memory, used if there is no store.
    snapshots: Mutex<HashMap<(AggregateKey, Revision), Snapshot>>,
    failure: Mutex<Option<IndexError>>,
    flush_records: usize,
    /// Number of the last frame that was added.
    last_frame: AtomicU64,
}

#[derive(Default)]
struct Layers {
    active: MemTable,
    /// The memtable that is being written into the store. Its entries are found here until they are in the store.
    frozen: Option<Arc<MemTable>>,
    /// An emptied memtable that was written before, kept for its memory.
    spare: Option<MemTable>,
}

impl Index {
    /// Opens the index in `folder`. Without a folder the whole index stays in memory.
    pub(crate) fn open(folder: Option<&Path>, flush_records: usize) -> Result<Self, IndexError> {
        let store = folder.map(Store::open).transpose()?;
        let totals = store.as_ref().map(Store::totals).transpose()?.unwrap_or_default();
        Ok(Self {
            store,
            layers: RwLock::default(),
            totals: RwLock::new(totals),
            snapshots: Mutex::default(),
            failure: Mutex::default(),
            flush_records,
            last_frame: AtomicU64::new(0),
        })
    }

    /// The last frame whose records are in the store.
    pub(crate) fn checkpoint(&self) -> Result<Option<Link>, IndexError> {
        self.store.as_ref().map_or(Ok(None), Store::checkpoint)
    }

    /// Tenants with records that the store lacks, because they could not be read when they should have been added. If
    /// they can be read now, the index has to be rebuilt.
    pub(crate) fn passed_over(&self) -> Result<BTreeSet<TenantName>, IndexError> {
        self.store.as_ref().map_or(Ok(BTreeSet::new()), Store::passed_over)
    }

    /// Adds the readable records of a frame. `passed_over` are the tenants with unreadable records in the frame; those
    /// are not among `records`.
    pub(crate) fn apply<'a>(
        &self,
        frame: &DurableFrame,
        records: impl Iterator<Item = IndexedRecord<'a>>,
        passed_over: &BTreeSet<TenantName>,
    ) {
        debug_assert!(frame.link.number > self.last_frame(), "frames are added in the journal's order");
        let mut layers = self.layers_mut();
        let mut tenants = self.totals.write().unwrap_or_else(PoisonError::into_inner);
        for record in records {
            debug_assert!(frame.holds(&record.location), "a record lies within its frame");
            let totals = match tenants.get_mut(record.tenant) {
                Some(totals) => totals,
                None => tenants.entry(record.tenant.clone()).or_default(),
            };
            totals.position = record.position();
            totals.bytes += u64::from(record.location.length);
            layers.active.add(frame, &record, *totals);
        }
        layers.active.pass_over(passed_over);
        layers.active.frame_added(frame);
        self.last_frame.store(frame.link.number, Ordering::Release);
    }

    /// Number of the last frame that was added since the index was opened; 0 if there is none.
    pub(crate) fn last_frame(&self) -> u64 {
        self.last_frame.load(Ordering::Acquire)
    }

    /// Whether the memtable holds enough records to be written to disk.
    pub(crate) fn is_full(&self) -> bool {
        self.store.is_some() && self.layers().active.record_count() >= self.flush_records
    }

    /// Freezes the memtable if it holds at least `records_min` records and the previous one is written. The caller then
    /// has to write it.
    fn freeze(&self, records_min: usize) -> Option<Arc<MemTable>> {
        self.store.as_ref()?;
        let mut layers = self.layers_mut();
        if layers.frozen.is_some() || layers.active.is_empty() || layers.active.record_count() < records_min {
            return None;
        }
        let next = layers.spare.take().unwrap_or_default();
        debug_assert!(next.is_empty() && next.last_frame().is_none(), "a memtable is empty when it becomes active");
        let frozen = Arc::new(std::mem::replace(&mut layers.active, next));
        layers.frozen = Some(Arc::clone(&frozen));
        Some(frozen)
    }

    /// Writes a frozen memtable into the store, with a pause of `rest` after each sync for the benefit of other threads
    /// that sync. If that fails, returns the memtable, which stays in memory, so that the caller can try again.
    fn write_frozen(&self, frozen: Arc<MemTable>, rest: Duration) -> Option<Arc<MemTable>> {
        let store = self.store.as_ref()?;
        match store.write(&frozen, rest) {
            Ok(()) => {
                *self.lock_failure() = None;
                // The order matters: an entry that a reader does not find here must be in the store already.
                let released = self.layers_mut().frozen.take();
                let is_same = released.is_some_and(|released| Arc::ptr_eq(&released, &frozen));
                debug_assert!(is_same, "only the frozen memtable is written");
                if let Some(mut written) = Arc::into_inner(frozen) {
                    written.clear();
                    self.layers_mut().spare = Some(written);
                }
                None
            }
            Err(error) => {
                *self.lock_failure() = Some(error);
                Some(frozen)
            }
        }
    }

    fn lock_failure(&self) -> MutexGuard<'_, Option<IndexError>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the memtable to disk if it is full, on this thread.
    pub(crate) fn flush_if_full(&self) -> Result<(), IndexError> {
        self.flush(self.flush_records)
    }

    /// Writes all entries to disk, on this thread.
    pub(crate) fn flush_all(&self) -> Result<(), IndexError> {
        self.flush(0)
    }

    fn flush(&self, records_min: usize) -> Result<(), IndexError> {
        if let Some(frozen) = self.freeze(records_min) {
            // A failure is stored, and returned by the check below.
            drop(self.write_frozen(frozen, Duration::ZERO));
        }
        self.check()
    }

    /// Fails if the last write to disk failed. The entries stay in memory, and the write is tried again.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        self.lock_failure().clone().map_or(Ok(()), Err)
    }

    /// Fails if the last write to disk failed and the memtable after it is full too. Appends then have to wait, so that
    /// the index in memory stays bounded.
    pub(crate) fn check_room(&self) -> Result<(), IndexError> {
        match self.lock_failure().clone() {
            Some(error) if self.is_full() => Err(error),
            _ => Ok(()),
        }
    }

    pub(crate) fn command(&self, key: CommandKey) -> Result<Option<RecordLocation>, IndexError> {
        let found = {
            let layers = self.layers();
            layers.newest_first().find_map(|memtable| memtable.command(key))
        };
        match (found, &self.store) {
            (None, Some(store)) => store.command(key),
            (found, _) => Ok(found),
        }
    }

    /// Records of one aggregate with events after `after`, in order, at most `limit`.
    pub(crate) fn history(
        &self,
        key: AggregateKey,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, IndexError> {
        let (mut recent, recent_from) = {
            let layers = self.layers();
            let recent_from = layers.all().find_map(|memtable| memtable.histories().first(key));
            let recent = layers.all().flat_map(|memtable| memtable.histories().beyond(key, after));
            (recent.take(limit).collect::<Vec<_>>(), recent_from)
        };
        let covered = recent_from.is_some_and(|first| first <= after.plus(1));
        let Some(store) = self.store.as_ref().filter(|_| !covered) else {
            recent.truncate(limit);
            return Ok(recent);
        };
        let mut entries = store.history(key, after, limit)?;
        let stored_until = entries.last().map_or(after, |entry| entry.last);
        // A memtable that was written to disk just now has entries in `recent` and in `store`.
        entries.extend(recent.into_iter().filter(|entry| entry.first > stored_until));
        entries.truncate(limit);
        Ok(entries)
    }

    pub(crate) fn last_of(&self, key: AggregateKey) -> Result<Option<HistoryEntry>, IndexError> {
        let recent = {
            let layers = self.layers();
            layers.all().filter_map(|memtable| memtable.histories().last(key)).last()
        };
        match (recent, &self.store) {
            (None, Some(store)) => store.last_of(key),
            (recent, _) => Ok(recent),
        }
    }

    /// The parts of the journal that hold a tenant's events after a position, as many as hold about `bytes_max` bytes,
    /// and at least one if there are any events. The first may begin before the position.
    pub(crate) fn ranges(
        &self,
        tenant: &TenantName,
        after: Position,
        bytes_max: usize,
    ) -> Result<Vec<FrameRange>, IndexError> {
        let (recent, covered) = {
            let layers = self.layers();
            let mut recent = Vec::new();
            let covers =
                |memtable: &MemTable| memtable.ranges(tenant).first().is_some_and(|first| first.first <= after.plus(1));
            let newest_covering = layers.all().filter(|memtable| covers(memtable)).count().saturating_sub(1);
            for memtable in layers.all().skip(newest_covering) {
                memtable::take_from(memtable.ranges(tenant), after, bytes_max, &mut recent);
            }
            (recent, layers.all().any(covers))
        };
        let Some(store) = self.store.as_ref().filter(|_| !covered) else { return Ok(recent) };
        let (mut ranges, exhausted) = store.ranges(tenant, after, bytes_max)?;
        if exhausted {
            let stored_until = ranges.last().map_or(0, FrameRange::end);
            // A memtable that was written to disk just now has ranges in `recent` and in `store`.
            ranges.extend(recent.into_iter().filter(|recent| recent.address >= stored_until));
        }
        Ok(ranges)
    }

    pub(crate) fn totals(&self, tenant: &TenantName) -> TenantTotals {
        self.totals.read().unwrap_or_else(PoisonError::into_inner).get(tenant).copied().unwrap_or_default()
    }

    /// The position of the tenant's last event.
    pub(crate) fn position(&self, tenant: &TenantName) -> Position {
        self.totals(tenant).position
    }

    pub(crate) fn positions(&self) -> foldhash::HashMap<TenantName, Position> {
        let totals = self.totals.read().unwrap_or_else(PoisonError::into_inner);
        totals.iter().map(|(tenant, totals)| (tenant.clone(), totals.position)).collect()
    }

    pub(crate) fn snapshot(&self, key: AggregateKey, revision: &Revision) -> Result<Option<Snapshot>, IndexError> {
        match &self.store {
            Some(store) => store.snapshots.get(key, revision),
            None => {
                let snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(snapshots.get(&(key, *revision)).cloned())
            }
        }
    }

    pub(crate) fn put_snapshot(
        &self,
        key: AggregateKey,
        revision: &Revision,
        snapshot: &Snapshot,
    ) -> Result<(), IndexError> {
        match &self.store {
            Some(store) => store.snapshots.put(key, revision, snapshot),
            None => {
                let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
                snapshots.insert((key, *revision), snapshot.clone());
                Ok(())
            }
        }
    }

    pub(crate) fn remove_snapshots(&self, keys: &[AggregateKey], revisions: &[Revision]) -> Result<(), IndexError> {
        let all = keys.iter().flat_map(|key| revisions.iter().map(move |revision| (*key, *revision)));
        match &self.store {
            Some(store) => all.into_iter().try_for_each(|(key, revision)| store.snapshots.remove(key, &revision)),
            None => {
                let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
                all.for_each(|pair| drop(snapshots.remove(&pair)));
                Ok(())
            }
        }
    }

    /// Removes the snapshots of all other revisions. Returns how many were removed.
    pub(crate) fn keep_snapshots_of(&self, revisions: &BTreeSet<Revision>) -> Result<u64, IndexError> {
        match &self.store {
            Some(store) => store.snapshots.keep_only(revisions),
            None => {
                let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
                let before = snapshots.len();
                snapshots.retain(|(_, revision), _| revisions.contains(revision));
                Ok((before - snapshots.len()) as u64)
            }
        }
    }

    pub(crate) fn purge_snapshots(&self) -> Result<(), IndexError> {
        self.store.as_ref().map_or(Ok(()), |store| store.snapshots.purge())
    }

    fn layers(&self) -> RwLockReadGuard<'_, Layers> {
        self.layers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn layers_mut(&self) -> RwLockWriteGuard<'_, Layers> {
        self.layers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layers {
    /// The memtables, oldest first.
    fn all(&self) -> impl Iterator<Item = &MemTable> {
        self.frozen.as_deref().into_iter().chain(std::iter::once(&self.active))
    }

    fn newest_first(&self) -> impl Iterator<Item = &MemTable> {
        std::iter::once(&self.active).chain(self.frozen.as_deref())
    }
}
