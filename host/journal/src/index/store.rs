//! Index entries on disk, in fjall.
//!
//! An overlay goes in by one bulk ingestion: sorted tables written directly, without fjall's own log and memory tables, and
//! made visible at once. Single inserts would write everything twice more. So either all of an overlay is in the
//! store, with the frame it goes up to, or nothing of it. Snapshots are large and few; they are inserted one by one.

use std::path::{Path, PathBuf};

use fjall::config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry, PinningPolicy};
use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions};
use foldhash::HashMap;
use polder_core::{ContentId, Position, Revision, Sequence, TenantName};

use super::entry::{Extent, HistoryEntry, Place, Stretch};
use super::layout::{self, HISTORY_ENTRIES_PER_VALUE_MAX};
use super::{IndexError, Overlay};
use crate::bytes::{Cursor, put_number};
use crate::frame::Link;
use crate::{AggregateKey, CommandKey, Snapshot};

/// Blocks of tables that stay in memory, in bytes.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// One key in a thousand that is not there costs a read.
const FILTER_BITS_PER_KEY: f32 = 14.0;
/// What a stretch in the store covers at most, in bytes, unless one frame alone is larger: few entries for many small
/// frames, and little read in vain.
const STRETCH_BYTES_MAX: u64 = 64 * 1024;

pub(crate) struct Store {
    entries: Keyspace,
    snapshots: Keyspace,
    /// Closes last.
    _database: Database,
}

impl From<fjall::Error> for IndexError {
    fn from(error: fjall::Error) -> Self {
        Self(error.to_string())
    }
}

impl Store {
    pub(crate) fn open(folder: &Path) -> Result<Self, IndexError> {
        let database = Database::builder(folder).cache_size(CACHE_BYTES).worker_threads(1).open()?;
        let filter = FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(FILTER_BITS_PER_KEY));
        let entries = database.keyspace("entries", || {
            KeyspaceCreateOptions::default()
                .filter_policy(FilterPolicy::all(filter))
                // Every command asks all of them whether it was there before.
                .filter_block_pinning_policy(PinningPolicy::all(true))
                // Keys are digests: there is nothing to compress.
                .data_block_compression_policy(CompressionPolicy::all(CompressionType::None))
                .index_block_compression_policy(CompressionPolicy::all(CompressionType::None))
        })?;
        let snapshots = database.keyspace("snapshots", KeyspaceCreateOptions::default)?;
        Ok(Self { entries, snapshots, _database: database })
    }

    /// Where the tables of entries are.
    pub(crate) fn tables(&self) -> PathBuf {
        self.entries.path().join("tables")
    }

    pub(crate) fn write(&self, overlay: &Overlay) -> Result<(), IndexError> {
        let Some(last_frame) = overlay.last_frame() else { return Ok(()) };
        let mut ingestion = self.entries.start_ingestion()?;
        // Ascending, as the first bytes of the keys are.
        for (key, place) in overlay.sorted_commands() {
            ingestion.write(layout::command_key(key), layout::place_value(place))?;
        }
        for (key, entries) in overlay.sorted_histories() {
            for entries in entries.chunks(HISTORY_ENTRIES_PER_VALUE_MAX) {
                ingestion.write(layout::history_key(key, entries[0].first), layout::history_value(entries))?;
            }
        }
        ingestion.write(layout::CHECKPOINT_KEY, layout::checkpoint_value(&last_frame))?;
        for (tenant, extent) in overlay.sorted_extents() {
            ingestion.write(layout::extent_key(tenant), layout::extent_value(extent))?;
        }
        for (tenant, stretches) in overlay.sorted_stretches() {
            for stretch in joined(stretches) {
                ingestion.write(layout::stretch_key(tenant, stretch.first), layout::stretch_value(&stretch))?;
            }
        }
        Ok(ingestion.finish()?)
    }

    pub(crate) fn checkpoint(&self) -> Result<Option<Link>, IndexError> {
        match self.entries.get(layout::CHECKPOINT_KEY)? {
            Some(value) => layout::read_checkpoint(&value),
            None => Ok(None),
        }
    }

    pub(crate) fn extents(&self) -> Result<HashMap<TenantName, Extent>, IndexError> {
        let all = self.entries.prefix(layout::EXTENT_PREFIX);
        all.map(|guard| {
            guard.into_inner().map_err(IndexError::from).and_then(|(key, value)| layout::read_extent(&key, &value))
        })
        .collect()
    }

    pub(crate) fn command(&self, key: CommandKey) -> Result<Option<Place>, IndexError> {
        self.entries.get(layout::command_key(key))?.map(|value| layout::read_place(&value)).transpose()
    }

    pub(crate) fn history(
        &self,
        key: AggregateKey,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, IndexError> {
        let mut entries = Vec::new();
        if !self.has_history(key)? {
            return Ok(entries);
        }
        let begun = layout::history_key(key, Sequence::ZERO)..=layout::history_key(key, after.plus(1));
        let from = match self.entries.range(begun).next_back() {
            Some(guard) => guard.key()?.to_vec(),
            None => layout::history_key(key, Sequence::ZERO).to_vec(),
        };
        for guard in self.entries.range(from..=layout::history_key(key, Sequence(u64::MAX)).to_vec()) {
            let (key, value) = guard.into_inner()?;
            entries.extend(layout::read_history(&key, &value)?.into_iter().filter(|entry| entry.last > after));
            if entries.len() >= limit {
                break;
            }
        }
        entries.truncate(limit);
        Ok(entries)
    }

    pub(crate) fn last_of(&self, key: AggregateKey) -> Result<Option<HistoryEntry>, IndexError> {
        if !self.has_history(key)? {
            return Ok(None);
        }
        let all = layout::history_key(key, Sequence::ZERO)..=layout::history_key(key, Sequence(u64::MAX));
        let Some(guard) = self.entries.range(all).next_back() else { return Ok(None) };
        let (key, value) = guard.into_inner()?;
        Ok(layout::read_history(&key, &value)?.pop())
    }

    /// Every history begins with sequence 1, so that its first key is known. Asking for that key is answered by a filter when
    /// it is not there; a range would have to look into every table.
    fn has_history(&self, key: AggregateKey) -> Result<bool, IndexError> {
        Ok(self.entries.contains_key(layout::history_key(key, Sequence(1)))?)
    }

    /// As many as hold `bytes_max`, one at least; and whether those are all there are.
    pub(crate) fn stretches(
        &self,
        tenant: &TenantName,
        after: Position,
        bytes_max: usize,
    ) -> Result<(Vec<Stretch>, bool), IndexError> {
        let begun = layout::stretch_key(tenant, Position::ZERO)..=layout::stretch_key(tenant, after.plus(1));
        let from = match self.entries.range(begun).next_back() {
            Some(guard) => guard.key()?.to_vec(),
            None => layout::stretch_key(tenant, Position::ZERO),
        };
        let mut stretches = Vec::new();
        let mut bytes = 0;
        for guard in self.entries.range(from..=layout::stretch_key(tenant, Position(u64::MAX))) {
            if bytes >= bytes_max as u64 {
                return Ok((stretches, false));
            }
            let (key, value) = guard.into_inner()?;
            let stretch = layout::read_stretch(&key, &value)?;
            bytes += stretch.length;
            stretches.push(stretch);
        }
        Ok((stretches, true))
    }

    pub(crate) fn snapshot(&self, key: AggregateKey, revision: &Revision) -> Result<Option<Snapshot>, IndexError> {
        let Some(value) = self.snapshots.get(snapshot_key(key, revision))? else { return Ok(None) };
        let mut cursor = Cursor::new(&value);
        let snapshot = (|| {
            let (sequence, head) = (Sequence(cursor.number()?), ContentId::from_digest(cursor.array()?));
            Some(Snapshot { sequence, head, state: cursor.rest().to_vec() })
        })();
        snapshot.map(Some).ok_or_else(|| IndexError("a snapshot in it cannot be read".to_owned()))
    }

    pub(crate) fn put_snapshot(
        &self,
        key: AggregateKey,
        revision: &Revision,
        snapshot: &Snapshot,
    ) -> Result<(), IndexError> {
        let mut value = Vec::with_capacity(48 + snapshot.state.len());
        put_number(&mut value, snapshot.sequence.0);
        value.extend_from_slice(snapshot.head.digest());
        value.extend_from_slice(&snapshot.state);
        Ok(self.snapshots.insert(snapshot_key(key, revision), value)?)
    }

    pub(crate) fn remove_snapshot(&self, key: AggregateKey, revision: &Revision) -> Result<(), IndexError> {
        Ok(self.snapshots.remove(snapshot_key(key, revision))?)
    }

    /// What was removed leaves the disk too, rather than when there is so much of it that it pays.
    pub(crate) fn purge_snapshots(&self) -> Result<(), IndexError> {
        self.snapshots.rotate_memtable_and_wait()?;
        Ok(self.snapshots.major_compact()?)
    }
}

fn snapshot_key(key: AggregateKey, revision: &Revision) -> Vec<u8> {
    [revision.as_bytes().as_slice(), &key.0].concat()
}

/// Joins neighbours into larger stretches.
fn joined(stretches: &[Stretch]) -> Vec<Stretch> {
    let mut joined: Vec<Stretch> = Vec::new();
    for stretch in stretches {
        match joined.last_mut() {
            Some(last) if last.is_followed_by(stretch) && last.length + stretch.length <= STRETCH_BYTES_MAX => {
                last.length += stretch.length;
            }
            _ => joined.push(*stretch),
        }
    }
    joined
}
