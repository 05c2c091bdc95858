//! Reads durable records: everything for which an append has returned, and nothing that a crash can take back.

use std::io;
use std::sync::Arc;

use polder_core::{ContentId, Position, Sequence, TenantName};

use self::index_thread::IndexThread;
use crate::disk::Shortage;
use crate::error::ReadError;
use crate::format::record::RecordBuf;
use crate::index::{Index, IndexError, RecordLocation, TenantTotals};
use crate::keyring::Keyring;
use crate::lookup_keys::{AggregateKey, CommandKey};
use crate::open_journal::OpenJournal;
use crate::statistics::Statistics;

mod index_thread;
mod snapshots;
mod tenant_batch;

pub use tenant_batch::TenantBatch;

#[derive(Clone)]
pub struct Reader {
    journal: Arc<OpenJournal>,
    /// The thread that takes the index's locks for this reader; `None` if the caller's thread does.
    index_thread: Option<Arc<IndexThread>>,
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
    pub(crate) fn new(journal: Arc<OpenJournal>) -> Self {
        Self { journal, index_thread: None }
    }

    /// A reader for a thread of low priority: see [`IndexThread`]. Lookups take a little longer, and the writer never
    /// waits for the thread.
    ///
    /// # Errors
    /// Fails if the system cannot start a thread.
    pub fn aside(&self) -> io::Result<Self> {
        Ok(Self { journal: Arc::clone(&self.journal), index_thread: Some(Arc::new(IndexThread::start()?)) })
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
            bytes = bytes.saturating_add(entry.location.length as usize);
            let record = self.record(entry.location)?;
            let view = record.view();
            let damaged = |what: String| self.journal.segments.damaged(entry.location.address, what);
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
        self.with_index(move |index| index.last_of(key))?.map(|entry| self.record(entry.location)).transpose()
    }

    /// The recorded decision about a command; `None` if there is none.
    pub fn decision(&self, key: CommandKey) -> Result<Option<RecordBuf>, ReadError> {
        self.with_index(move |index| index.command(key))?.map(|location| self.record(location)).transpose()
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
        let ranges = self.with_index(move |index| index.ranges(&name, after, bytes_max))?;
        TenantBatch::read(&self.journal, tenant, after, &ranges)
    }

    /// The position of the tenant's last event.
    pub fn last_position(&self, tenant: &TenantName) -> Position {
        self.totals(tenant).position
    }

    /// Size of all of the tenant's records in the journal, in bytes, without frame headers.
    pub fn record_bytes(&self, tenant: &TenantName) -> u64 {
        self.totals(tenant).bytes
    }

    /// Number of the last frame with records that was written or copied since the journal was opened; 0 if there is
    /// none.
    pub fn last_frame(&self) -> u64 {
        self.journal.index.last_frame()
    }

    /// All tenants with records, sorted.
    pub fn tenants(&self) -> Vec<TenantName> {
        let mut tenants: Vec<_> = self.journal.index.positions().into_keys().collect();
        tenants.sort_unstable();
        tenants
    }

    /// The tenants' keys. A tenant's records become unreadable for good when its key is destroyed here.
    pub fn keys(&self) -> &Keyring {
        &self.journal.keys
    }

    /// Checks whether views, snapshots, compiled code and uploads may be written. The last free space on the disk is
    /// reserved for the journal.
    ///
    /// # Errors
    /// Fails with the free and the reserved bytes when there is too little space.
    pub fn check_room(&self) -> Result<(), Shortage> {
        self.journal.reserve.check()
    }

    pub fn statistics(&self) -> Statistics {
        self.journal.counters.read()
    }

    fn totals(&self, tenant: &TenantName) -> TenantTotals {
        // The name is copied only if another thread needs it.
        match &self.index_thread {
            None => self.journal.index.totals(tenant),
            Some(_) => {
                let tenant = tenant.clone();
                self.with_index(move |index| index.totals(&tenant))
            }
        }
    }

    fn with_index<T: Send + 'static>(&self, query: impl FnOnce(&Index) -> T + Send + 'static) -> T {
        match &self.index_thread {
            None => query(&self.journal.index),
            Some(thread) => {
                let index = Arc::clone(&self.journal.index);
                thread.run(move || query(&index))
            }
        }
    }

    fn record(&self, location: RecordLocation) -> Result<RecordBuf, ReadError> {
        let mut bytes = vec![0; location.length as usize];
        self.journal.segments.read(location.address, &mut bytes)?;
        match RecordBuf::new(bytes.into(), location.address, &self.journal.keys) {
            Ok(record) => record.ok_or(ReadError::Sealed),
            Err(error) => Err(self.journal.segments.damaged(location.address, error.to_string())),
        }
    }
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}
