//! The newest part of each aggregate's history, in memory. It is one list of entries, each of which points to the
//! previous entry of its aggregate. So an aggregate needs no allocation of its own, and a cleared list is filled again
//! without new allocations.

use std::collections::HashMap;

use polder_core::Sequence;

use super::entry::HistoryEntry;
use super::partitions::{Partitioned, partition_of};
use crate::lookup_keys::AggregateKey;

#[derive(Default)]
pub(super) struct Chains {
    ends: Partitioned<AggregateKey, Ends>,
    links: Vec<Link>,
}

#[derive(Clone, Copy)]
struct Ends {
    first: Sequence,
    /// Index of the newest entry in `links`.
    newest: u32,
}

struct Link {
    entry: HistoryEntry,
    /// Index of the aggregate's previous entry in `links`; the link's own index if there is none.
    before: u32,
}

impl Chains {
    /// Adds the entry that follows the aggregate's last one.
    pub(super) fn push(&mut self, key: AggregateKey, entry: HistoryEntry) {
        let own = u32::try_from(self.links.len()).expect("a memtable is written out long before it holds so many");
        let mut before = own;
        let newest = |ends: &mut Ends| before = std::mem::replace(&mut ends.newest, own);
        self.ends[partition_of(&key.0)]
            .entry(key)
            .and_modify(newest)
            .or_insert(Ends { first: entry.first, newest: own });
        debug_assert!(
            before == own || self.links[before as usize].entry.location.address < entry.location.address,
            "an aggregate's records are added in the journal's order"
        );
        self.links.push(Link { entry, before });
    }

    /// The aggregate's first sequence in this list.
    pub(super) fn first(&self, key: AggregateKey) -> Option<Sequence> {
        self.ends(key).map(|ends| ends.first)
    }

    pub(super) fn last(&self, key: AggregateKey) -> Option<HistoryEntry> {
        self.ends(key).map(|ends| self.links[ends.newest as usize].entry)
    }

    /// The aggregate's entries with events after `after`, in order.
    pub(super) fn beyond(&self, key: AggregateKey, after: Sequence) -> Vec<HistoryEntry> {
        self.ends(key).map_or_else(Vec::new, |ends| self.walk(ends, after))
    }

    pub(super) fn len(&self) -> usize {
        self.ends.iter().map(HashMap::len).sum()
    }

    pub(super) fn sorted(&self) -> impl Iterator<Item = (AggregateKey, Vec<HistoryEntry>)> {
        let mut all: Vec<_> = self.ends.iter().flatten().map(|(key, ends)| (*key, *ends)).collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all.into_iter().map(|(key, ends)| (key, self.walk(ends, Sequence::ZERO)))
    }

    /// Removes all entries and keeps the allocated memory.
    pub(super) fn clear(&mut self) {
        self.ends.iter_mut().for_each(HashMap::clear);
        self.links.clear();
    }

    fn ends(&self, key: AggregateKey) -> Option<Ends> {
        self.ends[partition_of(&key.0)].get(&key).copied()
    }

    fn walk(&self, Ends { newest, .. }: Ends, after: Sequence) -> Vec<HistoryEntry> {
        let mut entries = Vec::new();
        let mut at = newest;
        loop {
            let Link { entry, before } = &self.links[at as usize];
            if entry.last <= after {
                break;
            }
            entries.push(*entry);
            if *before == at {
                break;
            }
            at = *before;
        }
        entries.reverse();
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::RecordLocation;

    fn key(number: u8) -> AggregateKey {
        AggregateKey([number; 16])
    }

    /// An entry with two events.
    fn entry(first: u64) -> HistoryEntry {
        let location = RecordLocation { address: 100 * first, length: 50 };
        HistoryEntry { first: Sequence(first), last: Sequence(first + 1), location }
    }

    #[test]
    fn each_aggregate_has_its_own_in_order() {
        let mut chains = Chains::default();
        for _ in 0..2 {
            for first in [5, 7, 9] {
                (1..=40).for_each(|number| chains.push(key(number), entry(first)));
            }
            for number in 1..=40 {
                assert_eq!(chains.first(key(number)), Some(Sequence(5)));
                assert_eq!(chains.last(key(number)), Some(entry(9)));
                assert_eq!(chains.beyond(key(number), Sequence::ZERO), [entry(5), entry(7), entry(9)]);
                assert_eq!(chains.beyond(key(number), Sequence(7)), [entry(7), entry(9)], "it reaches beyond");
                assert_eq!(chains.beyond(key(number), Sequence(8)), [entry(9)]);
                assert_eq!(chains.beyond(key(number), Sequence(10)), []);
            }
            assert_eq!((chains.first(key(41)), chains.last(key(41))), (None, None));
            assert_eq!(chains.beyond(key(41), Sequence::ZERO), []);
            let sorted: Vec<_> = chains.sorted().collect();
            assert!(sorted.is_sorted_by_key(|(key, _)| *key) && sorted.len() == 40 && chains.len() == 40);
            assert!(sorted.iter().all(|(_, entries)| entries.len() == 3));
            chains.clear();
            assert_eq!((chains.len(), chains.last(key(1))), (0, None));
        }
    }
}
