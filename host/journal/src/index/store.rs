//! The index on disk: entries in runs, and snapshots in a database of their own.
//!
//! A memtable is written as one run, so either all of it is in the store, including its last frame, or none of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use foldhash::HashMap;
use polder_core::{Position, Sequence, TenantName};

use super::entry::{FrameRange, HistoryEntry, RecordLocation, TenantTotals};
use super::layout::{self, HISTORY_ENTRIES_PER_VALUE_MAX};
use super::runs::Runs;
use super::snapshots::Snapshots;
use super::{IndexError, MemTable};
use crate::format::frame::Link;
use crate::lookup_keys::{AggregateKey, CommandKey};

/// Maximum length of a range in the store, in bytes, unless a single frame is longer. It keeps the number of entries
/// low for many small frames, and limits how much is read in vain.
const RANGE_BYTES_MAX: u64 = 64 * 1024;

pub(crate) struct Store {
    runs: Runs,
    pub(super) snapshots: Snapshots,
}

impl Store {
    pub(crate) fn open(folder: &Path) -> Result<Self, IndexError> {
        Ok(Self { runs: Runs::open(&folder.join("runs"))?, snapshots: Snapshots::open(&folder.join("snapshots"))? })
    }

    /// Writes a memtable as one run. For `rest` see [`Runs::add`].
    pub(super) fn write(&self, memtable: &MemTable, rest: Duration) -> Result<(), IndexError> {
        let Some(last_frame) = memtable.last_frame() else { return Ok(()) };
        self.runs.add(last_frame.number, memtable.mark_count(), rest, |run| {
            // The kinds are in ascending order of their first bytes.
            for (key, location) in memtable.sorted_commands() {
                run.add(&layout::command_key(key), &layout::location_value(location))?;
            }
            for (key, entries) in memtable.histories().sorted() {
                for entries in entries.chunks(HISTORY_ENTRIES_PER_VALUE_MAX) {
                    run.add(&layout::history_key(key, entries[0].first), &layout::history_value(entries))?;
                }
            }
            run.add(layout::CHECKPOINT_KEY, &layout::checkpoint_value(&last_frame))?;
            for tenant in memtable.passed_over() {
                run.add(&layout::passed_over_key(tenant), &[])?;
            }
            for (tenant, totals) in memtable.sorted_totals() {
                run.add(&layout::totals_key(tenant), &layout::totals_value(totals))?;
            }
            for (tenant, ranges) in memtable.sorted_ranges() {
                for range in joined(ranges) {
                    run.add(&layout::range_key(tenant, range.first), &layout::range_value(&range))?;
                }
            }
            Ok(())
        })
    }

    /// Does the same as [`Runs::merge`].
    pub(super) fn merge(&self, may_continue: &dyn Fn() -> bool) -> Result<bool, IndexError> {
        self.runs.merge(may_continue)
    }

    pub(crate) fn checkpoint(&self) -> Result<Option<Link>, IndexError> {
        self.runs.get(layout::CHECKPOINT_KEY)?.map(|value| layout::read_checkpoint(&value)).transpose()
    }

    pub(crate) fn passed_over(&self) -> Result<BTreeSet<TenantName>, IndexError> {
        let all = self.runs.all(layout::PASSED_OVER_PREFIX);
        all.map(|entry| entry.and_then(|entry| layout::read_passed_over(&entry.key))).collect()
    }

    pub(crate) fn totals(&self) -> Result<HashMap<TenantName, TenantTotals>, IndexError> {
        let all = self.runs.all(layout::TOTALS_PREFIX);
        all.map(|entry| entry.and_then(|entry| layout::read_totals(&entry.key, &entry.value))).collect()
    }

    pub(crate) fn command(&self, key: CommandKey) -> Result<Option<RecordLocation>, IndexError> {
        self.runs.get(&layout::command_key(key))?.map(|value| layout::read_location(&value)).transpose()
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

    /// As many ranges as hold `bytes_max` bytes, at least one if there is any; and whether these are all.
    pub(crate) fn ranges(
        &self,
        tenant: &TenantName,
        after: Position,
        bytes_max: usize,
    ) -> Result<(Vec<FrameRange>, bool), IndexError> {
        let mut ranges = Vec::new();
        let mut bytes = 0;
        for entry in self.runs.from(&layout::range_mark(tenant), &layout::range_key(tenant, after.plus(1)))? {
            if bytes >= bytes_max as u64 {
                return Ok((ranges, false));
            }
            let entry = entry?;
            let range = layout::read_range(&entry.key, &entry.value)?;
            bytes += range.length;
            ranges.push(range);
        }
        Ok((ranges, true))
    }
}

/// Joins adjacent ranges into larger ones.
fn joined(ranges: &[FrameRange]) -> Vec<FrameRange> {
    let mut joined: Vec<FrameRange> = Vec::new();
    for range in ranges {
        match joined.last_mut() {
            Some(last) if last.is_followed_by(range) && last.length + range.length <= RANGE_BYTES_MAX => {
                last.length += range.length;
            }
            _ => joined.push(*range),
        }
    }
    joined
}
