//! Saved states on disk, in fjall. There are few of them; they are large, and often rewritten and removed, which fjall
//! is good at.

use std::collections::BTreeSet;
use std::path::Path;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use polder_core::{ContentId, Revision, Sequence};

use super::IndexError;
use crate::format::bytes::{Cursor, put_number};
use crate::lookup_keys::AggregateKey;
use crate::snapshot::Snapshot;

/// Length of the revision at the start of a snapshot's key, in bytes.
const REVISION_BYTES: usize = 32;
/// Size of the read cache, in bytes.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

pub(super) struct Snapshots {
    keyspace: Keyspace,
    /// Last field, so that the database is closed last.
    _database: Database,
}

impl From<fjall::Error> for IndexError {
    fn from(error: fjall::Error) -> Self {
        Self(error.to_string())
    }
}

impl Snapshots {
    pub(super) fn open(folder: &Path) -> Result<Self, IndexError> {
        let database = Database::builder(folder).cache_size(CACHE_BYTES).worker_threads(1).open()?;
        let keyspace = database.keyspace("snapshots", KeyspaceCreateOptions::default)?;
        Ok(Self { keyspace, _database: database })
    }

    pub(super) fn get(&self, key: AggregateKey, revision: &Revision) -> Result<Option<Snapshot>, IndexError> {
        let Some(value) = self.keyspace.get(snapshot_key(key, revision))? else { return Ok(None) };
        let mut cursor = Cursor::new(&value);
        let snapshot = (|| {
            let (sequence, head) = (Sequence(cursor.number()?), ContentId::from_digest(cursor.array()?));
            Some(Snapshot { sequence, head, state: cursor.rest().to_vec() })
        })();
        snapshot.map(Some).ok_or_else(|| IndexError("a snapshot in it cannot be read".to_owned()))
    }

    pub(super) fn put(&self, key: AggregateKey, revision: &Revision, snapshot: &Snapshot) -> Result<(), IndexError> {
        let mut value = Vec::with_capacity(48 + snapshot.state.len());
        put_number(&mut value, snapshot.sequence.0);
        value.extend_from_slice(snapshot.head.digest());
        value.extend_from_slice(&snapshot.state);
        Ok(self.keyspace.insert(snapshot_key(key, revision), value)?)
    }

    pub(super) fn remove(&self, key: AggregateKey, revision: &Revision) -> Result<(), IndexError> {
        Ok(self.keyspace.remove(snapshot_key(key, revision))?)
    }

    /// Removes the snapshots of all other revisions. Returns how many were removed.
    pub(super) fn keep_only(&self, revisions: &BTreeSet<Revision>) -> Result<u64, IndexError> {
        let (mut removed, mut from) = (0, vec![0; REVISION_BYTES]);
        while let Some(next) = self.keyspace.range(from.clone()..).next() {
            let key = next.key()?;
            let revision = key
                .get(..REVISION_BYTES)
                .ok_or_else(|| IndexError("a snapshot's key in it is too short".to_owned()))?;
            if !revisions.iter().any(|kept| kept.as_bytes().as_slice() == revision) {
                for entry in self.keyspace.prefix(revision) {
                    self.keyspace.remove(entry.key()?)?;
                    removed += 1;
                }
            }
            from = revision.to_vec();
            if !step(&mut from) {
                break;
            }
        }
        Ok(removed)
    }

    /// Erases removed snapshots from the disk now. Without this, compaction erases them at some later time.
    pub(super) fn purge(&self) -> Result<(), IndexError> {
        self.keyspace.rotate_memtable_and_wait()?;
        Ok(self.keyspace.major_compact()?)
    }
}

/// Increments a big-endian number of fixed length; returns false if it overflows.
fn step(number: &mut [u8]) -> bool {
    for byte in number.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            return true;
        }
    }
    false
}

fn snapshot_key(key: AggregateKey, revision: &Revision) -> Vec<u8> {
    [revision.as_bytes().as_slice(), &key.0].concat()
}
