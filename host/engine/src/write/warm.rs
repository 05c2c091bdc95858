//! The states that a worker keeps in guest memory, with the data for choosing which ones to evict.

use std::collections::HashMap;

use polder_core::{ContentId, Revision, Sequence};
use polder_journal::{AggregateKey, BuildDigestHasher};

use crate::folding::Folded;
use crate::tenancy::StateSlot;

/// A state that leaves guest memory is saved when at least this many events happened since its last snapshot: folding
/// fewer costs less than reading a snapshot back saves.
const SNAPSHOT_EVENTS_MIN: u64 = 32;
/// A state in constant use is saved every this many events, so that a restart has few events to fold.
const SNAPSHOT_EVENTS_HOT: u64 = 1_000;

/// An aggregate's state in guest memory. It may be dropped between any two commands, because it can be rebuilt from the
/// journal.
pub(super) struct Warm {
    pub(super) state: StateSlot,
    pub(super) sequence: Sequence,
    /// Content id of the last event.
    pub(super) head: ContentId,
    /// The worker's last batch that contains a decision on this aggregate. The state is durable once that batch is.
    pub(super) batch: u64,
    /// Sequence of the latest snapshot.
    pub(super) saved: Sequence,
    /// Whether more events may have been recorded since.
    pub(super) is_behind: bool,
    /// The worker's command counter at the last use.
    pub(super) used: u64,
}

impl From<Folded> for Warm {
    fn from(Folded { state, sequence, head, saved }: Folded) -> Self {
        Self { state, sequence, head, batch: 0, saved, is_behind: false, used: 0 }
    }
}

impl Warm {
    /// Whether the state is worth a snapshot when it leaves guest memory.
    pub(super) fn is_due_when_leaving(&self) -> bool {
        self.unsaved_events() >= SNAPSHOT_EVENTS_MIN
    }

    /// Whether the state is worth a snapshot while it is in use.
    pub(super) fn is_due_in_use(&self) -> bool {
        self.unsaved_events() >= SNAPSHOT_EVENTS_HOT
    }

    fn unsaved_events(&self) -> u64 {
        self.sequence.0.saturating_sub(self.saved.0)
    }
}

/// The warm states of one domain on one worker.
pub(super) struct WarmStates {
    pub(super) revision: Revision,
    states: HashMap<AggregateKey, Warm, BuildDigestHasher>,
}

impl WarmStates {
    pub(super) fn new(revision: Revision) -> Self {
        Self { revision, states: HashMap::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.states.len()
    }

    pub(super) fn holds(&self, key: AggregateKey) -> bool {
        self.states.contains_key(&key)
    }

    pub(super) fn due_when_leaving(&self) -> Vec<AggregateKey> {
        let due = self.states.iter().filter(|(_, warm)| warm.is_due_when_leaving());
        due.map(|(key, _)| *key).collect()
    }

    pub(super) fn take(&mut self, key: AggregateKey) -> Option<Warm> {
        self.states.remove(&key)
    }

    /// Marks the states as current that have the same sequence as in `current`.
    pub(super) fn compare(&mut self, current: &Self) {
        for (key, warm) in &mut self.states {
            if current.states.get(key).is_some_and(|current| current.sequence == warm.sequence) {
                warm.is_behind = false;
            }
        }
    }

    /// Marks all states as behind: more events may be recorded from now on. All of them must be durable.
    pub(super) fn leave_behind(&mut self) {
        for warm in self.states.values_mut() {
            (warm.is_behind, warm.batch) = (true, 0);
        }
    }

    pub(super) fn put(&mut self, key: AggregateKey, warm: Warm) {
        self.states.insert(key, warm);
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = (AggregateKey, Warm)> + '_ {
        self.states.drain()
    }

    /// The last use of each durable state.
    pub(super) fn ages(&self, durable: u64) -> impl Iterator<Item = (u64, AggregateKey)> + '_ {
        self.states.iter().filter(move |(_, warm)| warm.batch <= durable).map(|(key, warm)| (warm.used, *key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warm(slot: u32, sequence: u64) -> Warm {
        let (sequence, head) = (Sequence(sequence), ContentId::NONE);
        Warm::from(Folded { state: StateSlot(slot), sequence, head, saved: Sequence::ZERO })
    }

    #[test]
    fn states_with_the_current_sequence_are_not_behind() {
        let [mut ready, mut current] = [(); 2].map(|()| WarmStates::new(Revision::of(b"x")));
        let key = |n: u8| AggregateKey([n; 16]);
        for (n, sequence) in [(1, 5), (2, 5), (3, 5)] {
            ready.put(key(n), Warm { is_behind: true, ..warm(0, sequence) });
        }
        current.put(key(1), warm(0, 5));
        current.put(key(2), warm(0, 6));
        ready.compare(&current);
        assert_eq!([1, 2, 3].map(|n| ready.take(key(n)).unwrap().is_behind), [false, true, true]);
    }

    #[test]
    fn only_durable_states_have_an_age() {
        let mut states = WarmStates::new(Revision::of(b"x"));
        let key = |n: u8| AggregateKey([n; 16]);
        for n in 0..4 {
            states.put(key(n), Warm { batch: u64::from(n) * 10, used: u64::from(10 - n), ..warm(u32::from(n), 1) });
        }
        let mut ages: Vec<_> = states.ages(20).collect();
        ages.sort_unstable();
        assert_eq!(ages, [(8, key(2)), (9, key(1)), (10, key(0))]);
    }
}
