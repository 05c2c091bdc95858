//! An inventory of one domain's history: the events with their versions and counts, and the newest and the longest
//! aggregates. It grows with the history, so only new records need to be read.

use std::collections::{BTreeMap, HashMap};

use polder_core::{Descriptor, Position, TenantName};
use polder_journal::{AggregateKey, BuildDigestHasher, ReadError, Reader, RecordView};

use super::verdict::{EventPlace, UnreadableEvents};

/// Bytes of history per read.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Aggregates remembered as the newest; as many are remembered as the longest, and as many others.
const REMEMBERED_MAX: usize = 20_000;
/// Unreadable event names and versions in a report.
const UNREADABLE_SHOWN_MAX: usize = 50;

#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// The position up to which the history is counted.
    pub(super) position: Position,
    pub(super) events: u64,
    /// Counts by aggregate, event and version.
    kinds: BTreeMap<String, BTreeMap<String, BTreeMap<u32, Tally>>>,
    newest: Highest,
    longest: Highest,
    others: Highest,
}

#[derive(Debug)]
struct Tally {
    count: u64,
    first: EventPlace,
}

/// An aggregate and its number of events.
pub(super) type Sized = (AggregateKey, u64);

impl Inventory {
    /// Reads on to the end of the history. Calls `progress` with each position that it reaches.
    pub(super) fn grow(
        &mut self,
        reader: &Reader,
        tenant: &TenantName,
        domain: &str,
        progress: &mut dyn FnMut(Position),
    ) -> Result<(), ReadError> {
        loop {
            let batch = reader.tenant_batch(tenant, self.position, READ_BYTES)?;
            if batch.is_empty() {
                return Ok(());
            }
            let after = self.position;
            for record in batch.records().filter(|record| record.domain() == domain) {
                self.add(&record, after);
            }
            self.position = batch.last();
            progress(self.position);
        }
    }

    fn add(&mut self, record: &RecordView<'_>, after: Position) {
        for event in record.events().filter(|event| event.position > after) {
            self.events += 1;
            let tally = self.kinds.get_mut(record.aggregate()).and_then(|events| events.get_mut(event.name));
            if let Some(tally) = tally.and_then(|versions| versions.get_mut(&event.version)) {
                tally.count += 1;
                continue;
            }
            let first = EventPlace {
                aggregate: record.aggregate().to_owned(),
                id: record.aggregate_id().to_owned(),
                sequence: event.sequence,
                position: event.position,
            };
            let events = self.kinds.entry(record.aggregate().to_owned()).or_default();
            events.entry(event.name.to_owned()).or_default().insert(event.version, Tally { count: 1, first });
        }
        let (key, sequence) = (record.aggregate_key(), record.sequence().0);
        self.newest.add(key, record.position().0, sequence);
        self.longest.add(key, sequence, sequence);
        self.others.add(key, number_of(key), sequence);
    }

    /// The events that a revision with this descriptor cannot read, in the order of their first appearance.
    pub(super) fn unreadable(&self, descriptor: &Descriptor) -> Vec<UnreadableEvents> {
        let reads = |aggregate: &str, event: &str, version: u32| {
            let event = descriptor.aggregates.get(aggregate).and_then(|aggregate| aggregate.events.get(event));
            event.is_some_and(|event| event.reads.contains(&version))
        };
        let mut unreadable = Vec::new();
        for (aggregate, events) in &self.kinds {
            for (event, versions) in events {
                for (version, tally) in versions.iter().filter(|(version, _)| !reads(aggregate, event, **version)) {
                    let (count, first) = (tally.count, tally.first.clone());
                    unreadable.push(UnreadableEvents { event: event.clone(), version: *version, count, first });
                }
            }
        }
        unreadable.sort_by_key(|events| events.first.position);
        unreadable.truncate(UNREADABLE_SHOWN_MAX);
        unreadable
    }

    /// The aggregates with the latest events, the latest first.
    pub(super) fn newest(&self) -> Vec<Sized> {
        self.newest.best()
    }

    /// Aggregates with about `events_max` events in total: a third of them the newest, a third the longest, the rest
    /// from all others. The very newest and the very longest are always included.
    pub(super) fn sample(&self, events_max: u64) -> Vec<AggregateKey> {
        let mut chosen: HashMap<AggregateKey, (), BuildDigestHasher> = HashMap::default();
        let (mut keys, mut events) = (Vec::new(), 0);
        let groups = [(self.newest.best(), events_max / 3), (self.longest.best(), events_max / 3 * 2)];
        let groups = groups.into_iter().chain([(self.others.best(), events_max)]);
        for (group, until) in groups {
            for (number, (key, length)) in group.into_iter().enumerate() {
                if number > 0 && events >= until {
                    break;
                }
                if chosen.insert(key, ()).is_none() {
                    keys.push(key);
                    events += length;
                }
            }
        }
        keys
    }
}

/// A number that is evenly distributed, and always the same for an aggregate.
pub(super) fn number_of(key: AggregateKey) -> u64 {
    let mut tail = [0; 8];
    tail.copy_from_slice(&key.0[8..16]);
    u64::from_le_bytes(tail)
}

/// Keeps the aggregates with the highest ranks. The rank of an aggregate may rise but never falls. Now and then the
/// others are dropped, so that the cost of adding one does not depend on their number.
#[derive(Debug, Default)]
struct Highest {
    /// Rank and number of events.
    ranks: HashMap<AggregateKey, (u64, u64), BuildDigestHasher>,
}

impl Highest {
    fn add(&mut self, key: AggregateKey, rank: u64, events: u64) {
        self.ranks.insert(key, (rank, events));
        if self.ranks.len() >= 2 * REMEMBERED_MAX {
            let kept = self.best();
            let ranks = std::mem::take(&mut self.ranks);
            self.ranks.extend(kept.into_iter().filter_map(|(key, _)| Some((key, *ranks.get(&key)?))));
        }
    }

    /// The aggregates with the highest ranks, the highest first.
    fn best(&self) -> Vec<Sized> {
        let mut all: Vec<_> = self.ranks.iter().map(|(key, (rank, events))| (*rank, *key, *events)).collect();
        all.sort_unstable_by_key(|(rank, ..)| std::cmp::Reverse(*rank));
        all.truncate(REMEMBERED_MAX);
        all.into_iter().map(|(_, key, events)| (key, events)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> AggregateKey {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        bytes[8..].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes());
        AggregateKey(bytes)
    }

    #[test]
    fn the_highest_ranks_are_kept_among_many() {
        let mut highest = Highest::default();
        let count = 5 * REMEMBERED_MAX as u64;
        for rank in 0..count {
            highest.add(key(rank), rank, 1);
        }
        // A dropped aggregate comes again.
        highest.add(key(3), count, 2);
        let best = highest.best();
        assert_eq!((best.len(), best[0]), (REMEMBERED_MAX, (key(3), 2)));
        assert_eq!(best[REMEMBERED_MAX - 1].0, key(count + 1 - REMEMBERED_MAX as u64));
    }

    #[test]
    fn a_sample_holds_the_newest_and_the_longest() {
        let mut inventory = Inventory::default();
        for number in 0..1_000 {
            let length = if number == 500 { 10_000 } else { 10 };
            inventory.newest.add(key(number), number, length);
            inventory.longest.add(key(number), length, length);
            inventory.others.add(key(number), number_of(key(number)), length);
        }
        let sample = inventory.sample(300);
        assert_eq!(sample[..2], [key(999), key(998)]);
        assert!(sample.contains(&key(500)) && sample.len() < 40, "{}", sample.len());
        // Even with less room than the longest one needs, both it and the newest are included.
        assert_eq!(inventory.sample(0)[..2], [key(999), key(500)]);
        assert_eq!(inventory.sample(u64::MAX).len(), 1_000);
    }
}
