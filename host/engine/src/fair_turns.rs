//! Gives turns fairly between owners by the CPU time that their turns took, not by the number of their items. Several
//! threads may take turns at a time. Each operation takes a time that grows with the logarithm of the number of owners.
//! This module has no clock and no threads: its callers measure the turns.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash;

use foldhash::HashMap;

/// The arrival of a line that gets a new one when it is put back.
const NONE: u64 = 0;

pub(crate) struct FairTurns<K, T> {
    lines: HashMap<K, Line<T>>,
    /// The owners that may have the next turn, by rank.
    ready: BTreeMap<Rank, K>,
    /// Owners without items and turns that have used more than `floor_ns`. The others have nothing to remember.
    quiet: BTreeMap<Rank, K>,
    /// Time that the owner of the last turn had used before it. An owner that was away starts at least here, so it
    /// cannot save up time.
    floor_ns: u64,
    arrivals: u64,
    /// Items that wait, and turns that run.
    count: usize,
    /// Turns of one owner that may run at a time.
    running_max: usize,
    /// Time that a running turn counts until its end, so that one owner does not get all threads at once.
    expected_ns: u64,
}

/// The time used, then the arrival, which no other line has.
type Rank = (u64, u64);

struct Line<T> {
    items: VecDeque<T>,
    running: usize,
    used_ns: u64,
    arrival: u64,
}

impl<K: Clone + Eq + Hash, T> FairTurns<K, T> {
    pub(crate) fn new(running_max: usize, expected_ns: u64) -> Self {
        let (lines, ready, quiet) = Default::default();
        Self { lines, ready, quiet, floor_ns: 0, arrivals: 0, count: 0, running_max, expected_ns }
    }

    pub(crate) fn push(&mut self, owner: &K, item: T) {
        self.add(owner, |items| items.push_back(item));
    }

    /// Queues an item before the owner's other items.
    pub(crate) fn push_first(&mut self, owner: &K, item: T) {
        self.add(owner, |items| items.push_front(item));
    }

    /// Takes the next item of the owner that has used the least time. The caller must end the turn with
    /// [`finished`](Self::finished).
    pub(crate) fn pop(&mut self) -> Option<(K, T)> {
        let (_, owner) = self.ready.pop_first()?;
        let mut line = self.take_out(&owner);
        self.raise_floor(line.used_ns);
        let item = line.items.pop_front();
        line.begin_turn();
        self.put_back(owner.clone(), line);
        debug_assert!(item.is_some(), "an owner that is ready has an item");
        Some((owner, item?))
    }

    /// Begins a turn of an item that did not wait here. The caller must end the turn with [`finished`](Self::finished).
    pub(crate) fn begin(&mut self, owner: &K) {
        self.count += 1;
        let mut line = self.take_out(owner);
        line.begin_turn();
        self.put_back(owner.clone(), line);
    }

    /// Ends a turn of the owner, which took `used_ns`.
    pub(crate) fn finished(&mut self, owner: &K, used_ns: u64) {
        let mut line = self.take_out(owner);
        assert!(line.running > 0, "a turn ends once");
        line.running -= 1;
        line.used_ns = line.used_ns.saturating_add(used_ns);
        line.arrival = NONE;
        self.count -= 1;
        if self.count == 0 {
            // No other owner waits, so the time was not taken from any of them.
            self.raise_floor(line.used_ns);
        }
        self.put_back(owner.clone(), line);
    }

    /// Removes and returns the first of the owner's items that matches.
    pub(crate) fn remove(&mut self, owner: &K, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let place = self.lines.get(owner)?.items.iter().position(is_it)?;
        let mut line = self.take_out(owner);
        let item = line.items.remove(place);
        self.count -= 1;
        self.put_back(owner.clone(), line);
        item
    }

    /// Removes and returns all items. Running turns still end with [`finished`](Self::finished).
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.ready.clear();
        self.quiet.clear();
        let mut items = Vec::new();
        for (owner, mut line) in std::mem::take(&mut self.lines) {
            items.extend(line.items.drain(..));
            self.put_back(owner, line);
        }
        self.count -= items.len();
        items
    }

    fn add(&mut self, owner: &K, put: impl FnOnce(&mut VecDeque<T>)) {
        self.count += 1;
        let mut line = self.take_out(owner);
        if line.items.is_empty() {
            line.arrival = NONE;
            if line.running == 0 {
                line.used_ns = line.used_ns.max(self.floor_ns);
            }
        }
        put(&mut line.items);
        self.put_back(owner.clone(), line);
    }

    /// Takes the owner's line out of the queue, or makes a new one.
    fn take_out(&mut self, owner: &K) -> Line<T> {
        match self.lines.remove(owner) {
            Some(line) => {
                let rank = line.rank(self.expected_ns);
                self.ready.remove(&rank);
                self.quiet.remove(&rank);
                line
            }
            None => Line { items: VecDeque::new(), running: 0, used_ns: self.floor_ns, arrival: NONE },
        }
    }

    /// Puts a line back. If it has no arrival, it goes behind the others that have used the same time.
    fn put_back(&mut self, owner: K, mut line: Line<T>) {
        let is_quiet = line.items.is_empty() && line.running == 0;
        if is_quiet && line.used_ns <= self.floor_ns {
            return;
        }
        if line.arrival == NONE {
            self.arrivals += 1;
            line.arrival = self.arrivals;
        }
        let rank = line.rank(self.expected_ns);
        if is_quiet {
            self.quiet.insert(rank, owner.clone());
        } else if !line.items.is_empty() && line.running < self.running_max {
            self.ready.insert(rank, owner.clone());
        }
        self.lines.insert(owner, line);
    }

    /// Raises the floor, and forgets the quiet owners that it reaches.
    fn raise_floor(&mut self, to_ns: u64) {
        self.floor_ns = self.floor_ns.max(to_ns);
        while let Some(first) = self.quiet.first_entry()
            && first.key().0 <= self.floor_ns
        {
            let owner = first.remove();
            self.lines.remove(&owner);
        }
    }
}

impl<T> Line<T> {
    fn begin_turn(&mut self) {
        self.running += 1;
        self.arrival = NONE;
    }

    fn rank(&self, expected_ns: u64) -> Rank {
        let expected_ns = expected_ns.saturating_mul(self.running as u64);
        (self.used_ns.saturating_add(expected_ns), self.arrival)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn turns<T>(running_max: usize) -> FairTurns<u32, T> {
        FairTurns::new(running_max, 20 * MS)
    }

    /// Runs turns until `total_ns` are used. Each item is its own cost and is queued again. Returns the owners of the
    /// turns in order.
    fn run(turns: &mut FairTurns<u32, u64>, total_ns: u64) -> Vec<u32> {
        let (mut used_ns, mut owners) = (0, Vec::new());
        while used_ns < total_ns {
            let Some((owner, cost)) = turns.pop() else { break };
            turns.push(&owner, cost);
            turns.finished(&owner, cost);
            used_ns += cost;
            owners.push(owner);
        }
        owners
    }

    fn count(owners: &[u32], wanted: u32) -> usize {
        owners.iter().filter(|owner| **owner == wanted).count()
    }

    #[test]
    fn fifty_items_of_one_owner_leave_another_its_half() {
        let mut turns = turns(usize::MAX);
        (0..50).for_each(|_| turns.push(&1, 100 * MS));
        turns.push(&2, MS);
        let owners = run(&mut turns, 10_000 * MS);
        let (used_by_1, used_by_2) = (100 * count(&owners, 1), count(&owners, 2));
        assert!(used_by_1.abs_diff(used_by_2) <= 200, "{used_by_1} ms, {used_by_2} ms");
    }

    #[test]
    fn an_owner_that_arrives_has_the_next_turn_and_no_time_saved_up() {
        let mut turns = turns(usize::MAX);
        (0..50).for_each(|_| turns.push(&1, 100 * MS));
        run(&mut turns, 3_000 * MS);
        (0..50).for_each(|_| turns.push(&2, 100 * MS));
        assert_eq!(turns.pop(), Some((2, 100 * MS)));
        turns.finished(&2, 100 * MS);
        let owners = run(&mut turns, 1_000 * MS);
        assert!(count(&owners, 2) <= 6, "{owners:?}");
    }

    #[test]
    fn two_turns_at_a_time_go_to_two_owners() {
        let mut turns = turns(usize::MAX);
        (0..3).for_each(|_| turns.push(&1, 0));
        (0..3).for_each(|_| turns.push(&2, 0));
        let owners = [turns.pop(), turns.pop()].map(|turn| turn.map(|(owner, _)| owner));
        assert_eq!(owners, [Some(1), Some(2)]);
    }

    #[test]
    fn no_owner_has_more_turns_at_a_time_than_it_may() {
        let mut turns = turns(1);
        turns.push(&1, "a-1");
        turns.push(&1, "a-2");
        assert_eq!(turns.pop(), Some((1, "a-1")));
        assert_eq!(turns.pop(), None);
        turns.push(&2, "b-1");
        assert_eq!(turns.pop(), Some((2, "b-1")));
        turns.finished(&1, 1_000);
        assert_eq!(turns.pop(), Some((1, "a-2")));
    }

    #[test]
    fn items_of_one_owner_run_in_order_and_end() {
        let mut turns = turns(usize::MAX);
        (0..10).for_each(|number| turns.push(&7, number));
        let mut seen = Vec::new();
        while let Some((owner, number)) = turns.pop() {
            seen.push(number);
            turns.finished(&owner, 5);
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn an_item_that_has_begun_goes_before_others_of_its_owner() {
        let mut turns = turns(1);
        turns.push(&1, "first");
        turns.push(&1, "second");
        let (owner, begun) = turns.pop().unwrap();
        turns.finished(&owner, 5);
        turns.push_first(&owner, begun);
        assert_eq!(turns.pop(), Some((1, "first")));
        assert_eq!((turns.remove(&1, |item| *item == "second"), turns.remove(&1, |_| true)), (Some("second"), None));
    }

    #[test]
    fn a_turn_of_an_item_that_did_not_wait_is_charged_too() {
        let mut turns = turns(usize::MAX);
        turns.begin(&1);
        turns.push(&1, "a");
        turns.push(&2, "b");
        turns.finished(&1, 50 * MS);
        assert_eq!([turns.pop(), turns.pop()], [Some((2, "b")), Some((1, "a"))]);
    }

    #[test]
    fn running_turns_end_after_all_items_are_drained() {
        let mut turns = turns(usize::MAX);
        (0..4).for_each(|number| turns.push(&(number % 2), number));
        let (owner, _) = turns.pop().unwrap();
        assert_eq!(turns.drain().len(), 3);
        assert_eq!(turns.pop(), None);
        turns.finished(&owner, MS);
        assert_eq!((turns.count, turns.lines.len()), (0, 0));
    }

    #[test]
    fn owners_that_are_away_are_forgotten() {
        let mut turns = turns(usize::MAX);
        for owner in 0..10_000 {
            turns.push(&owner, ());
            turns.pop();
            turns.finished(&owner, 1);
        }
        assert_eq!(turns.lines.len(), 0);
        // An owner that has used more than the others keeps its account until they have used as much.
        turns.push(&1, ());
        turns.push(&2, ());
        for used_ns in [MS, 3 * MS] {
            let (owner, ()) = turns.pop().unwrap();
            turns.push(&3, ());
            turns.finished(&owner, used_ns);
        }
        assert!(turns.lines.contains_key(&2));
        while let Some((owner, ())) = turns.pop() {
            turns.finished(&owner, 9 * MS);
        }
        assert_eq!((turns.lines.len(), turns.quiet.len(), turns.ready.len()), (0, 0, 0));
    }
}
