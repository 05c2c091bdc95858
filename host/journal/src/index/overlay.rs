//! The newest index entries, in memory. They are not yet in the store.

use std::collections::{BTreeSet, HashMap};

use polder_core::{Position, TenantName};

use super::chains::Chains;
use super::entry::{DurableFrame, Extent, HistoryEntry, IndexedRecord, Place, Stretch};
use super::parts::{Parts, part_of};
use crate::CommandKey;
use crate::frame::Link;

#[derive(Default)]
pub(crate) struct Overlay {
    commands: Parts<CommandKey, Place>,
    histories: Chains,
    stretches: foldhash::HashMap<TenantName, Vec<Stretch>>,
    extents: foldhash::HashMap<TenantName, Extent>,
    /// Tenants with records that could not be read, and are therefore missing here.
    passed_over: BTreeSet<TenantName>,
    record_count: usize,
    last_frame: Option<Link>,
}

impl Overlay {
    /// Removes all entries and keeps the allocated memory. New memory can take milliseconds to allocate, during which
    /// the writer would wait.
    pub(crate) fn clear(&mut self) {
        self.commands.iter_mut().for_each(HashMap::clear);
        self.histories.clear();
        self.stretches.clear();
        self.extents.clear();
        self.passed_over.clear();
        (self.record_count, self.last_frame) = (0, None);
    }

    /// Adds a record. `extent` is the tenant's extent including this record.
    pub(crate) fn add(&mut self, frame: &DurableFrame, record: &IndexedRecord<'_>, extent: Extent) {
        self.record_count += 1;
        // The newest record is kept. A command has a second record only if it was rejected first and sent to be decided
        // again.
        self.commands[part_of(&record.command.0)].insert(record.command, record.place);
        match self.extents.get_mut(record.tenant) {
            Some(known) => *known = extent,
            None => {
                self.extents.insert(record.tenant.clone(), extent);
            }
        }
        if record.event_count == 0 {
            return;
        }
        let first = record.sequence_before.plus(1);
        let last = record.sequence_before.plus(u64::from(record.event_count));
        self.histories.push(record.aggregate, HistoryEntry { first, last, place: record.place });
        let stretch = Stretch {
            first: record.position_before.plus(1),
            address: frame.address,
            length: frame.length,
            segment: frame.segment,
        };
        match self.stretches.get_mut(record.tenant) {
            Some(stretches) if stretches.last().is_some_and(|last| last.address == frame.address) => {}
            Some(stretches) => stretches.push(stretch),
            None => {
                self.stretches.insert(record.tenant.clone(), vec![stretch]);
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

    /// Number of distinct marks of the keys.
    pub(crate) fn mark_count(&self) -> usize {
        let commands = self.commands.iter().map(HashMap::len).sum::<usize>();
        // The 1 is the checkpoint's mark.
        commands + self.histories.len() + self.stretches.len() + self.extents.len() + self.passed_over.len() + 1
    }

    pub(crate) fn command(&self, key: CommandKey) -> Option<Place> {
        self.commands[part_of(&key.0)].get(&key).copied()
    }

    pub(super) fn histories(&self) -> &Chains {
        &self.histories
    }

    pub(crate) fn stretches(&self, tenant: &TenantName) -> &[Stretch] {
        self.stretches.get(tenant).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn sorted_commands(&self) -> Vec<(CommandKey, Place)> {
        let mut commands: Vec<_> = self.commands.iter().flatten().map(|(key, place)| (*key, *place)).collect();
        commands.sort_unstable_by_key(|(key, _)| *key);
        commands
    }

    pub(crate) fn sorted_stretches(&self) -> Vec<(&TenantName, &[Stretch])> {
        let mut stretches: Vec<_> = self.stretches.iter().map(|(tenant, all)| (tenant, all.as_slice())).collect();
        stretches.sort_unstable_by_key(|(tenant, _)| *tenant);
        stretches
    }

    pub(crate) fn sorted_extents(&self) -> Vec<(&TenantName, Extent)> {
        let mut extents: Vec<_> = self.extents.iter().map(|(tenant, extent)| (tenant, *extent)).collect();
        extents.sort_unstable_by_key(|(tenant, _)| *tenant);
        extents
    }
}

/// Adds the stretches with events after `after` to `taken`, until `taken` holds at least `bytes_max` bytes.
pub(super) fn take_from(stretches: &[Stretch], after: Position, bytes_max: usize, taken: &mut Vec<Stretch>) {
    let begun = stretches.partition_point(|stretch| stretch.first <= after.plus(1));
    let mut bytes: u64 = taken.iter().map(|stretch| stretch.length).sum();
    for stretch in &stretches[begun.saturating_sub(1)..] {
        if bytes >= bytes_max as u64 {
            break;
        }
        bytes += stretch.length;
        taken.push(*stretch);
    }
}
