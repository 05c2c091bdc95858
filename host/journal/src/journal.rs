//! The journal's outside: kept in memory for the moment.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use polder_core::{Position, Revision, Sequence, TenantName};

use crate::{
    AggregateKey, AppendError, CommandKey, EncodedRecord, OpenError, OpenOptions, ReadError, RecordBuf, Snapshot,
    Statistics, TenantBatch,
};

#[derive(Debug)]
pub struct Journal;

#[derive(Debug, Clone, Default)]
pub struct OpenReport {
    /// Bytes of an unfinished last frame that were cut off.
    pub torn_bytes: u64,
}

#[derive(Default)]
struct Kept {
    records: Vec<RecordBuf>,
    positions: HashMap<TenantName, Position>,
    snapshots: HashMap<(AggregateKey, Revision), Snapshot>,
    statistics: Statistics,
}

impl Journal {
    /// # Errors
    /// See [`OpenError`].
    pub fn open(_dir: &Path, _options: OpenOptions) -> Result<(Writer, Reader, OpenReport), OpenError> {
        let kept = Arc::new(Mutex::new(Kept::default()));
        Ok((Writer(Arc::clone(&kept)), Reader(kept), OpenReport::default()))
    }
}

/// The one that appends.
pub struct Writer(Arc<Mutex<Kept>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The position after each record, in their order.
    pub last_positions: Vec<Position>,
    pub frames: u64,
    pub bytes: u64,
}

impl Writer {
    /// # Errors
    /// Any error poisons the writer.
    pub fn append(&mut self, records: Vec<EncodedRecord>) -> Result<Appended, AppendError> {
        let mut kept = self.0.lock().unwrap();
        let mut last_positions = Vec::new();
        for record in records {
            let before = kept.positions.get(record.tenant()).copied().unwrap_or_default();
            let mut bytes = Vec::new();
            record.put(&mut bytes, before);
            let last = before.plus(u64::from(record.event_count()));
            kept.records.push(RecordBuf::new(bytes.into()).expect("just encoded"));
            kept.positions.insert(record.tenant().clone(), last);
            last_positions.push(last);
        }
        kept.statistics.frames += 1;
        Ok(Appended { last_positions, frames: 1, bytes: 0 })
    }

    /// # Errors
    /// As an append.
    pub fn close(self) -> Result<(), AppendError> {
        Ok(())
    }
}

/// Sees everything that an append has returned for.
#[derive(Clone)]
pub struct Reader(Arc<Mutex<Kept>>);

impl Reader {
    pub fn history(&self, key: AggregateKey, after: Sequence, limit: usize) -> Result<Vec<RecordBuf>, ReadError> {
        let kept = self.0.lock().unwrap();
        let wanted = |record: &&RecordBuf| {
            let view = record.view();
            view.event_count() > 0 && view.sequence() > after && view.aggregate_key() == key
        };
        Ok(kept.records.iter().filter(wanted).take(limit).cloned().collect())
    }

    pub fn last_of(&self, key: AggregateKey) -> Result<Option<RecordBuf>, ReadError> {
        Ok(self.history(key, Sequence::ZERO, usize::MAX)?.pop())
    }

    pub fn decision(&self, key: CommandKey) -> Result<Option<RecordBuf>, ReadError> {
        Ok(self.0.lock().unwrap().records.iter().find(|record| record.view().command_key() == key).cloned())
    }

    pub fn tenant_batch(
        &self,
        tenant: &TenantName,
        after: Position,
        _bytes_max: usize,
    ) -> Result<TenantBatch, ReadError> {
        let kept = self.0.lock().unwrap();
        let wanted = |record: &&RecordBuf| {
            let view = record.view();
            view.event_count() > 0 && view.position() > after && view.tenant() == tenant.as_str()
        };
        let records: Vec<_> = kept.records.iter().filter(wanted).cloned().collect();
        let last = records.last().map_or(after, |record| record.view().position());
        Ok(TenantBatch { records, after, last })
    }

    pub fn last_position(&self, tenant: &TenantName) -> Position {
        self.0.lock().unwrap().positions.get(tenant).copied().unwrap_or_default()
    }

    pub fn tenants(&self) -> Vec<TenantName> {
        self.0.lock().unwrap().positions.keys().cloned().collect()
    }

    pub fn snapshot(&self, key: AggregateKey, revision: &Revision) -> Result<Option<Snapshot>, ReadError> {
        Ok(self.0.lock().unwrap().snapshots.get(&(key, *revision)).cloned())
    }

    pub fn put_snapshot(&self, key: AggregateKey, revision: &Revision, snapshot: &Snapshot) -> Result<(), ReadError> {
        self.0.lock().unwrap().snapshots.insert((key, *revision), snapshot.clone());
        Ok(())
    }

    pub fn statistics(&self) -> Statistics {
        self.0.lock().unwrap().statistics
    }
}
