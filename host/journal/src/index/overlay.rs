//! Index entries in memory: the newest, not yet in the store.

use std::collections::HashMap;

use polder_core::{Position, TenantName};

use super::entry::{DurableFrame, Extent, HistoryEntry, IndexedRecord, Place, Stretch};
use crate::BuildDigestHasher;
use crate::frame::Link;
use crate::{AggregateKey, CommandKey};

#[derive(Default)]
pub(crate) struct Overlay {
    commands: HashMap<CommandKey, Place, BuildDigestHasher>,
    histories: HashMap<AggregateKey, Vec<HistoryEntry>, BuildDigestHasher>,
    stretches: foldhash::HashMap<TenantName, Vec<Stretch>>,
    extents: foldhash::HashMap<TenantName, Extent>,
    record_count: usize,
    last_frame: Option<Link>,
}

impl Overlay {
    /// An empty one with room for as much: growing on the way would stop the writer now and then.
    pub(crate) fn as_large(&self) -> Self {
        Self {
            commands: HashMap::with_capacity_and_hasher(self.commands.len(), BuildDigestHasher),
            histories: HashMap::with_capacity_and_hasher(self.histories.len(), BuildDigestHasher),
            ..Self::default()
        }
    }

    /// `extent` is the tenant's with this record.
    pub(crate) fn add(&mut self, frame: &DurableFrame, record: &IndexedRecord<'_>, extent: Extent) {
        self.record_count += 1;
        // The first stays: a repeated command is answered as it was the first time.
        self.commands.entry(record.command).or_insert(record.place);
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
        let entry = HistoryEntry { first, last, place: record.place };
        self.histories.entry(record.aggregate).or_default().push(entry);
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

    pub(crate) fn command(&self, key: CommandKey) -> Option<Place> {
        self.commands.get(&key).copied()
    }

    pub(crate) fn history(&self, key: AggregateKey) -> &[HistoryEntry] {
        self.histories.get(&key).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn stretches(&self, tenant: &TenantName) -> &[Stretch] {
        self.stretches.get(tenant).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn sorted_commands(&self) -> Vec<(CommandKey, Place)> {
        let mut commands: Vec<_> = self.commands.iter().map(|(key, place)| (*key, *place)).collect();
        commands.sort_unstable_by_key(|(key, _)| *key);
        commands
    }

    pub(crate) fn sorted_histories(&self) -> Vec<(AggregateKey, &[HistoryEntry])> {
        let mut histories: Vec<_> = self.histories.iter().map(|(key, entries)| (*key, entries.as_slice())).collect();
        histories.sort_unstable_by_key(|(key, _)| *key);
        histories
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

/// Adds those that hold events after `after` to `taken`, until `taken` holds `bytes_max`.
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
