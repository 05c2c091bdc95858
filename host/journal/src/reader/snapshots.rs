//! Reads, writes and deletes saved states. They are in the index, not in the journal, because they can be made again.

use std::collections::BTreeSet;

use polder_core::{Position, Revision, Sequence, TenantName};

use super::Reader;
use crate::error::ReadError;
use crate::lookup_keys::AggregateKey;
use crate::snapshot::{Snapshot, open_state, seal_state};

/// Bytes read at a time from a whole history.
const HISTORY_READ_BYTES: usize = 4 * 1024 * 1024;

impl Reader {
    /// The last state that was saved for this revision. `None` if there is none, or if it does not fit the aggregate's
    /// history.
    pub fn snapshot(&self, key: AggregateKey, revision: &Revision) -> Result<Option<Snapshot>, ReadError> {
        let id = *revision;
        let Some(snapshot) = self.with_index(move |index| index.snapshot(key, &id))? else { return Ok(None) };
        let before = Sequence(snapshot.sequence.0.saturating_sub(1));
        let Some(entry) = self.with_index(move |index| index.history(key, before, 1))?.pop() else { return Ok(None) };
        let record = self.record(entry.location)?;
        let view = record.view();
        if !view.events().any(|event| (event.sequence, event.id) == (snapshot.sequence, snapshot.head)) {
            return Ok(None);
        }
        match self.journal.keys.get_by_text(view.tenant()) {
            Some(key) => Ok(open_state(&snapshot.state, &key.snapshots).map(|state| Snapshot { state, ..snapshot })),
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
        let sealed = match self.journal.keys.get_by_text(tenant) {
            Some(key) => seal_state(&snapshot.state, &key.snapshots)
                .map_err(|error| ReadError::Index { what: error.to_string() })?,
            // The record could be read without a key, so this tenant's data is not sealed.
            None => snapshot.state.clone(),
        };
        let (revision, sealed) = (*revision, Snapshot { state: sealed, ..*snapshot });
        Ok(self.with_index(move |index| index.put_snapshot(key, &revision, &sealed))?)
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
            self.journal.index.remove_snapshots(&keys, revisions)?;
            after = batch.last();
        }
        Ok(self.journal.index.purge_snapshots()?)
    }

    /// Deletes every state that any other revision saved, of all tenants. Returns the number of deleted states.
    pub fn keep_snapshots_of(&self, revisions: &BTreeSet<Revision>) -> Result<u64, ReadError> {
        Ok(self.journal.index.keep_snapshots_of(revisions)?)
    }
}
