//! The index on disk: entries in runs, and snapshots in a database of their own.
//!
//! An overlay is written as one run, so either all of it is in the store, including its last frame, or none of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use foldhash::HashMap;
use polder_core::{Position, Sequence, TenantName};

use super::entry::{Extent, HistoryEntry, Place, Stretch};
use super::layout::{self, HISTORY_ENTRIES_PER_VALUE_MAX};
use super::runs::Runs;
use super::snapshots::Snapshots;
use super::{IndexError, Overlay};
use crate::frame::Link;
use crate::{AggregateKey, CommandKey};

/// Maximum length of a stretch in the store, in bytes, unless a single frame is longer. It keeps the number of entries
/// low for many small frames, and limits how much is read in vain.
const STRETCH_BYTES_MAX: u64 = 64 * 1024;

pub(crate) struct Store {
    runs: Runs,
    pub(super) snapshots: Snapshots,
}

impl Store {
    pub(crate) fn open(folder: &Path) -> Result<Self, IndexError> {
        Ok(Self { runs: Runs::open(&folder.join("runs"))?, snapshots: Snapshots::open(&folder.join("snapshots"))? })
    }

    /// Writes an overlay as one run. For `rest` see [`Runs::add`].
    pub(super) fn write(&self, overlay: &Overlay, rest: Duration) -> Result<(), IndexError> {
        let Some(last_frame) = overlay.last_frame() else { return Ok(()) };
        self.runs.add(last_frame.number, overlay.mark_count(), rest, |run| {
            // The kinds are in ascending order of their first bytes.
            for (key, place) in overlay.sorted_commands() {
                run.add(&layout::command_key(key), &layout::place_value(place))?;
            }
            for (key, entries) in overlay.histories().sorted() {
                for entries in entries.chunks(HISTORY_ENTRIES_PER_VALUE_MAX) {
                    run.add(&layout::history_key(key, entries[0].first), &layout::history_value(entries))?;
                }
            }
            run.add(layout::CHECKPOINT_KEY, &layout::checkpoint_value(&last_frame))?;
            for tenant in overlay.passed_over() {
                run.add(&layout::passed_over_key(tenant), &[])?;
            }
            for (tenant, extent) in overlay.sorted_extents() {
                run.add(&layout::extent_key(tenant), &layout::extent_value(extent))?;
            }
            for (tenant, stretches) in overlay.sorted_stretches() {
                for stretch in joined(stretches) {
                    run.add(&layout::stretch_key(tenant, stretch.first), &layout::stretch_value(&stretch))?;
                }
            }
            Ok(())
        })
    }

    /// Does the same as [`Runs::merge`].
    pub(super) fn merge(&self, is_wanted: &dyn Fn() -> bool) -> Result<bool, IndexError> {
        self.runs.merge(is_wanted)
    }

    pub(crate) fn checkpoint(&self) -> Result<Option<Link>, IndexError> {
        self.runs.get(layout::CHECKPOINT_KEY)?.map(|value| layout::read_checkpoint(&value)).transpose()
    }

    pub(crate) fn passed_over(&self) -> Result<BTreeSet<TenantName>, IndexError> {
        let all = self.runs.all(layout::PASSED_OVER_PREFIX);
        all.map(|entry| entry.and_then(|entry| layout::read_passed_over(&entry.key))).collect()
    }

    pub(crate) fn extents(&self) -> Result<HashMap<TenantName, Extent>, IndexError> {
        let all = self.runs.all(layout::EXTENT_PREFIX);
        all.map(|entry| entry.and_then(|entry| layout::read_extent(&entry.key, &entry.value))).collect()
    }

    pub(crate) fn command(&self, key: CommandKey) -> Result<Option<Place>, IndexError> {
        self.runs.get(&layout::command_key(key))?.map(|value| layout::read_place(&value)).transpose()
    }

    pub(crate) fn history(
        &self,
        key: AggregateKey,
        after: Sequence,
        limit: usize,
    ) -> Result<Vec<HistoryEntry>, IndexError> {
        let mut entries = Vec::new();
        for entry in self.runs.from(&layout::history_mark(key), &layout::history_key(key, after.plus(1)))? {
            let entry = entry?;
            entries
                .extend(layout::read_history(&entry.key, &entry.value)?.into_iter().filter(|entry| entry.last > after));
            if entries.len() >= limit {
                break;
            }
        }
        entries.truncate(limit);
        Ok(entries)
    }

    pub(crate) fn last_of(&self, key: AggregateKey) -> Result<Option<HistoryEntry>, IndexError> {
        let Some(entry) = self.runs.last(&layout::history_mark(key))? else { return Ok(None) };
        Ok(layout::read_history(&entry.key, &entry.value)?.pop())
    }

    /// As many stretches as hold `bytes_max` bytes, at least one if there is any; and whether these are all.
    pub(crate) fn stretches(
        &self,
        tenant: &TenantName,
        after: Position,
        bytes_max: usize,
    ) -> Result<(Vec<Stretch>, bool), IndexError> {
        let mut stretches = Vec::new();
        let mut bytes = 0;
        for entry in self.runs.from(&layout::stretch_mark(tenant), &layout::stretch_key(tenant, after.plus(1)))? {
            if bytes >= bytes_max as u64 {
                return Ok((stretches, false));
            }
            let entry = entry?;
            let stretch = layout::read_stretch(&entry.key, &entry.value)?;
            bytes += stretch.length;
            stretches.push(stretch);
        }
        Ok((stretches, true))
    }
}

/// Joins adjacent stretches into larger ones.
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
