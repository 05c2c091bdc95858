//! The newest index entries, in memory. They are not yet in the store.

use std::collections::{BTreeSet, HashMap};

use polder_core::{Position, TenantName};

use super::chains::Chains;
use super::entry::{DurableFrame, FrameRange, HistoryEntry, IndexedRecord, RecordLocation, TenantTotals};
use super::partitions::{Partitioned, partition_of};
use crate::format::frame::Link;
use crate::lookup_keys::CommandKey;

#[derive(Default)]
pub(crate) struct MemTable {
    commands: Partitioned<CommandKey, RecordLocation>,
    histories: Chains,
    ranges: foldhash::HashMap<TenantName, Vec<FrameRange>>,
    totals: foldhash::HashMap<TenantName, TenantTotals>,
    /// Tenants with records that could not be read, and are therefore missing here.
    passed_over: BTreeSet<TenantName>,
    record_count: usize,
    last_frame: Option<Link>,
}

impl MemTable {
    /// Removes all entries and keeps the allocated memory. New memory can take milliseconds to allocate, during which
    /// the writer would wait.
    pub(crate) fn clear(&mut self) {
        self.commands.iter_mut().for_each(HashMap::clear);
        self.histories.clear();
        self.ranges.clear();
        self.totals.clear();
        self.passed_over.clear();
        (self.record_count, self.last_frame) = (0, None);
    }

    /// Adds a record. `totals` is the tenant's totals including this record.
    pub(crate) fn add(&mut self, frame: &DurableFrame, record: &IndexedRecord<'_>, totals: TenantTotals) {
        self.record_count += 1;
        // The newest record is kept. A command has a second record only if it was rejected first and sent to be decided
        // again.
        self.commands[partition_of(&record.command.0)].insert(record.command, record.location);
        match self.totals.get_mut(record.tenant) {
            Some(known) => *known = totals,
            None => {
                self.totals.insert(record.tenant.clone(), totals);
            }
        }
        if record.event_count == 0 {
            return;
        }
        let first = record.sequence_before.plus(1);
        let last = record.sequence_before.plus(u64::from(record.event_count));
        self.histories.push(record.aggregate, HistoryEntry { first, last, location: record.location });
        let range = FrameRange {
            first: record.position_before.plus(1),
            address: frame.address,
            length: frame.length,
            segment: frame.segment,
        };
        match self.ranges.get_mut(record.tenant) {
            Some(ranges) if ranges.last().is_some_and(|last| last.address == frame.address) => {}
            Some(ranges) => {
                debug_assert!(
                    ranges.last().is_none_or(|last| last.end() <= range.address),
                    "a tenant's frames are added in the journal's order"
                );
                ranges.push(range);
            }
            None => {
                self.ranges.insert(record.tenant.clone(), vec![range]);
            }
        }
    }

    pub(crate) fn pass_over(&mut self, tenants: &BTreeSet<TenantName>) {
        self.passed_over
            .extend(tenants.iter().filter(|tenant| !self.passed_over.contains(*tenant)).cloned().collect::<Vec<_>>());
    }

    pub(crate) fn passed_over(&self) -> &BTreeSet<TenantName> {
        &self.passed_over
    }

    pub(crate) fn frame_added(&mut self, frame: &DurableFrame) {
        self.last_frame = Some(frame.link);
    }

    pub(crate) fn record_count(&self) -> usize {
        self.record_count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    pub(crate) fn last_frame(&self) -> Option<Link> {
        self.last_frame
    }

    /// Number of marks, one for each distinct key, that the filter of a run of this memtable gets.
    pub(crate) fn mark_count(&self) -> usize {
        let commands = self.commands.iter().map(HashMap::len).sum::<usize>();
        // The 1 is the checkpoint's mark.
        commands + self.histories.len() + self.ranges.len() + self.totals.len() + self.passed_over.len() + 1
    }

    pub(crate) fn command(&self, key: CommandKey) -> Option<RecordLocation> {
        self.commands[partition_of(&key.0)].get(&key).copied()
    }

    pub(super) fn histories(&self) -> &Chains {
        &self.histories
    }

    pub(crate) fn ranges(&self, tenant: &TenantName) -> &[FrameRange] {
        self.ranges.get(tenant).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn sorted_commands(&self) -> Vec<(CommandKey, RecordLocation)> {
        let mut commands: Vec<_> = self.commands.iter().flatten().map(|(key, location)| (*key, *location)).collect();
        commands.sort_unstable_by_key(|(key, _)| *key);
        commands
    }

    pub(crate) fn sorted_ranges(&self) -> Vec<(&TenantName, &[FrameRange])> {
        let mut ranges: Vec<_> = self.ranges.iter().map(|(tenant, all)| (tenant, all.as_slice())).collect();
        ranges.sort_unstable_by_key(|(tenant, _)| *tenant);
        ranges
    }

    pub(crate) fn sorted_totals(&self) -> Vec<(&TenantName, TenantTotals)> {
        let mut totals: Vec<_> = self.totals.iter().map(|(tenant, totals)| (tenant, *totals)).collect();
        totals.sort_unstable_by_key(|(tenant, _)| *tenant);
        totals
    }
}

/// Adds the ranges with events after `after` to `taken`, until `taken` holds at least `bytes_max` bytes.
pub(super) fn take_from(ranges: &[FrameRange], after: Position, bytes_max: usize, taken: &mut Vec<FrameRange>) {
    let begun = ranges.partition_point(|range| range.first <= after.plus(1));
    let mut bytes: u64 = taken.iter().map(|range| range.length).sum();
    for range in &ranges[begun.saturating_sub(1)..] {
        if bytes >= bytes_max as u64 {
            break;
        }
        bytes += range.length;
        taken.push(*range);
    }
}
