//! Reads durable records: everything for which an append has returned, and nothing that a crash can take back.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use polder_core::{ContentId, Position, Revision, Sequence, TenantName};

use crate::aside::Aside;
use crate::disk_room::Shortage;
use crate::error::ReadError;
use crate::index::{Extent, Index, IndexError, Place};
use crate::keyring::Keyring;
use crate::record::{open_snapshot, seal_snapshot};
use crate::shared::Shared;
use crate::{AggregateKey, CommandKey, RecordBuf, Snapshot, Statistics, TenantBatch};

/// Bytes read at a time from a whole history.
const HISTORY_READ_BYTES: usize = 4 * 1024 * 1024;

#[derive(Clone)]
pub struct Reader {
    shared: Arc<Shared>,
    /// The thread that takes the index's locks for this reader; `None` if the caller's thread does.
    aside: Option<Arc<Aside>>,
}

/// A part of an aggregate's records.
#[derive(Debug)]
pub struct HistoryPart {
    pub records: Vec<RecordBuf>,
    /// Whether these are the last records.
    pub is_end: bool,
}

impl From<IndexError> for ReadError {
    fn from(error: IndexError) -> Self {
        Self::Index { what: error.to_string() }
    }
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, aside: None }
    }

    /// A reader for a thread of low priority: see [`Aside`]. Lookups take a little longer, and the writer never waits
    /// for the thread.
    ///
    /// # Errors
    /// Fails if the system cannot start a thread.
    pub fn aside(&self) -> io::Result<Self> {
        Ok(Self { shared: Arc::clone(&self.shared), aside: Some(Arc::new(Aside::start()?)) })
    }

    /// The aggregate's records with events after `after`, in order, at most `limit`. Verifies their content ids, each
    /// from the previous one: from the first event on if `after` is zero, otherwise from the first returned record on.
    pub fn history(&self, key: AggregateKey, after: Sequence, limit: usize) -> Result<Vec<RecordBuf>, ReadError> {
        Ok(self.history_part(key, after, limit, usize::MAX)?.records)
    }

    /// Does the same as [`history`](Self::history), and stops after the record that reaches `bytes_max`. So it returns
    /// at least one record if there is any.
    pub fn history_part(
        &self,
        key: AggregateKey,
        after: Sequence,
        limit: usize,
        bytes_max: usize,
    ) -> Result<HistoryPart, ReadError> {
        let entries = self.with_index(move |index| index.history(key, after, limit))?;
        let mut records: Vec<RecordBuf> = Vec::new();
        let mut head = (after == Sequence::ZERO).then_some(ContentId::NONE);
        let (mut last, mut bytes) = (None, 0_usize);
        for entry in &entries {
            if bytes >= bytes_max {
                break;
            }
            bytes = bytes.saturating_add(entry.place.length as usize);
            let record = self.record(entry.place)?;
            let view = record.view();
            let damaged = |what: String| self.shared.segments.damaged(entry.place.address, what);
            let follows = last.is_none_or(|last| view.sequence_before() == last);
            if view.aggregate_key() != key || view.sequence_before().plus(1) != entry.first || !follows {
                return Err(damaged("another record is expected here".to_owned()));
            }
            if let Some(previous) = head {
                view.check_content(&previous).map_err(|error| damaged(error.to_string()))?;
            }
            (head, last) = (view.head(), Some(view.sequence()));
            records.push(record);
        }
        let is_end = records.len() == entries.len() && entries.len() < limit;
        Ok(HistoryPart { records, is_end })
    }

    /// The aggregate's last record with events; `None` if it has none.
    pub fn last_of(&self, key: AggregateKey) -> Result<Option<RecordBuf>, ReadError> {
        self.with_index(move |index| index.last_of(key))?.map(|entry| self.record(entry.place)).transpose()
    }

    /// The recorded decision about a command; `None` if there is none.
    pub fn decision(&self, key: CommandKey) -> Result<Option<RecordBuf>, ReadError> {
        self.with_index(move |index| index.command(key))?.map(|place| self.record(place)).transpose()
    }

    /// The tenant's events after a position: as many whole frames as hold about `bytes_max` bytes, and at least one if
    /// there are any events. Verifies the hashes, and that no position is missing.
    pub fn tenant_batch(
        &self,
        tenant: &TenantName,
        after: Position,
        bytes_max: usize,
    ) -> Result<TenantBatch, ReadError> {
        let name = tenant.clone();
        let stretches = self.with_index(move |index| index.stretches(&name, after, bytes_max))?;
        TenantBatch::read(&self.shared, tenant, after, &stretches)
    }

    /// The position of the tenant's last event.
    pub fn last_position(&self, tenant: &TenantName) -> Position {
        self.extent(tenant).position
    }

    /// Size of all of the tenant's records in the journal, in bytes, without frame headers.
    pub fn record_bytes(&self, tenant: &TenantName) -> u64 {
        self.extent(tenant).bytes
    }

    /// Number of the last frame with records that was written or copied since the journal was opened; 0 if there is
    /// none.
    pub fn last_frame(&self) -> u64 {
        self.shared.index.last_frame()
    }

    /// All tenants with records, sorted.
    pub fn tenants(&self) -> Vec<TenantName> {
        let mut tenants: Vec<_> = self.shared.index.positions().into_keys().collect();
        tenants.sort_unstable();
        tenants
    }

    /// The last state that was saved for this revision. `None` if there is none, or if it does not fit the aggregate's
    /// history.
    pub fn snapshot(&self, key: AggregateKey, revision: &Revision) -> Result<Option<Snapshot>, ReadError> {
        let wanted = *revision;
        let Some(snapshot) = self.with_index(move |index| index.snapshot(key, &wanted))? else { return Ok(None) };
        let before = Sequence(snapshot.sequence.0.saturating_sub(1));
        let Some(entry) = self.with_index(move |index| index.history(key, before, 1))?.pop() else { return Ok(None) };
        let record = self.record(entry.place)?;
        let view = record.view();
        if !view.events().any(|event| (event.sequence, event.id) == (snapshot.sequence, snapshot.head)) {
            return Ok(None);
        }
        match self.shared.keys.get_by_text(view.tenant()) {
            Some(key) => Ok(open_snapshot(&snapshot.state, &key.snapshots).map(|state| Snapshot { state, ..snapshot })),
            None => Ok(Some(snapshot)),
        }
    }

    /// Saves a state in place of the previous one. A crash may lose it. It is not saved when the disk is nearly full.
    pub fn put_snapshot(&self, key: AggregateKey, revision: &Revision, snapshot: &Snapshot) -> Result<(), ReadError> {
        if self.check_room().is_err() {
            return Ok(());
        }
        let Some(last) = self.last_of(key)? else { return Ok(()) };
        let tenant = last.view().tenant();
        let sealed = match self.shared.keys.get_by_text(tenant) {
            Some(key) => seal_snapshot(&snapshot.state, &key.snapshots)
                .map_err(|error| ReadError::Index { what: error.to_string() })?,
            // The record could be read without a key, so this tenant's data is not sealed.
            None => snapshot.state.clone(),
        };
        let (revision, sealed) = (*revision, Snapshot { state: sealed, ..*snapshot });
        Ok(self.with_index(move |index| index.put_snapshot(key, &revision, &sealed))?)
    }

    /// The tenants' keys. A tenant's records become unreadable for good when its key is destroyed here.
    pub fn keys(&self) -> &Keyring {
        &self.shared.keys
    }

    /// Deletes every state of the tenant's aggregates that one of these revisions saved, also from the disk. Reads the
    /// tenant's whole history to find its aggregates.
    pub fn remove_snapshots(&self, tenant: &TenantName, revisions: &[Revision]) -> Result<(), ReadError> {
        let mut after = Position::ZERO;
        loop {
            let batch = self.tenant_batch(tenant, after, HISTORY_READ_BYTES)?;
            if batch.is_empty() {
                break;
            }
            let mut keys: Vec<_> = batch.records().map(|record| record.aggregate_key()).collect();
            keys.sort_unstable();
            keys.dedup();
            self.shared.index.remove_snapshots(&keys, revisions)?;
            after = batch.last();
        }
        Ok(self.shared.index.purge_snapshots()?)
    }

    /// Deletes every state that any other revision saved, of all tenants. Returns the number of deleted states.
    pub fn keep_snapshots_of(&self, revisions: &BTreeSet<Revision>) -> Result<u64, ReadError> {
        Ok(self.shared.index.keep_snapshots_of(revisions)?)
    }

    /// Checks whether views, snapshots, compiled code and uploads may be written. The last free space on the disk is
    /// reserved for the journal.
    ///
    /// # Errors
    /// Fails with the free and the reserved bytes when there is too little space.
    pub fn check_room(&self) -> Result<(), Shortage> {
        self.shared.room.check()
    }

    pub fn statistics(&self) -> Statistics {
        self.shared.counters.read()
    }

    fn extent(&self, tenant: &TenantName) -> Extent {
        // The name is copied only if another thread needs it.
        match &self.aside {
            None => self.shared.index.extent(tenant),
            Some(_) => {
                let tenant = tenant.clone();
                self.with_index(move |index| index.extent(&tenant))
            }
        }
    }

    fn with_index<T: Send + 'static>(&self, query: impl FnOnce(&Index) -> T + Send + 'static) -> T {
        match &self.aside {
            None => query(&self.shared.index),
            Some(aside) => {
                let index = Arc::clone(&self.shared.index);
                aside.run(move || query(&index))
            }
        }
    }

    fn record(&self, place: Place) -> Result<RecordBuf, ReadError> {
        let mut bytes = vec![0; place.length as usize];
        self.shared.segments.read(place.address, &mut bytes)?;
        match RecordBuf::new(bytes.into(), place.address, &self.shared.keys) {
            Ok(record) => record.ok_or(ReadError::Sealed),
            Err(error) => Err(self.shared.segments.damaged(place.address, error.to_string())),
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
