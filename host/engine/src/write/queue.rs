//! Chooses the next command, fairly between tenants by the CPU time that their commands used, not by their number.
//!
//! Each waiting tenant has a queue of its own and an account of the time it has used. The tenant with the least has the
//! next turn, of a few commands, and is charged for the turn as a whole; so the clock is read once per turn, not once
//! per command. A tenant that was away continues with the account of the least-served tenant, so it cannot save up
//! time.
//!
//! This module has no clock and does not know commands: its caller measures the turns.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, VecDeque};

use foldhash::HashMap;

/// Empty queues are dropped when there are this many more of them than of the others.
const EMPTY_LINES_MAX: usize = 64;

pub(super) struct FairQueue<T> {
    /// All queues, except that of the tenant that has the turn.
    lines: HashMap<usize, Line<T>>,
    /// Queues that hold something, ordered by the time used, then by arrival.
    next: BinaryHeap<Reverse<(u64, u64, usize)>>,
    turn: Option<(usize, Line<T>)>,
    /// Time used by the least-served tenant among those that waited when the last turn began.
    used_min: u64,
    arrivals: u64,
}

struct Line<T> {
    items: VecDeque<T>,
    used: u64,
}

impl<T> Default for FairQueue<T> {
    fn default() -> Self {
        Self { lines: HashMap::default(), next: BinaryHeap::new(), turn: None, used_min: 0, arrivals: 0 }
    }
}

impl<T> FairQueue<T> {
    pub(super) fn push(&mut self, tenant: usize, item: T) {
        if let Some((taking_turn, line)) = &mut self.turn
            && *taking_turn == tenant
        {
            return line.items.push_back(item);
        }
        let line = match self.lines.entry(tenant) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(Line { items: VecDeque::new(), used: self.used_min }),
        };
        if line.items.is_empty() {
            line.used = line.used.max(self.used_min);
            self.arrivals += 1;
            self.next.push(Reverse((line.used, self.arrivals, tenant)));
        }
        line.items.push_back(item);
    }

    /// Gives the turn to the tenant that has used the least. Does nothing when no tenant waits.
    pub(super) fn begin_turn(&mut self) {
        debug_assert!(self.turn.is_none(), "one turn at a time");
        let Some(Reverse((used, _, tenant))) = self.next.pop() else { return };
        self.used_min = used;
        self.turn = self.lines.remove_entry(&tenant);
    }

    /// The next item of the tenant that has the turn.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.turn.as_mut().and_then(|(_, line)| line.items.pop_front())
    }

    /// Charges the turn to the tenant that had it.
    pub(super) fn end_turn(&mut self, used: u64) {
        let Some((tenant, mut line)) = self.turn.take() else { return };
        line.used = line.used.saturating_add(used);
        if !line.items.is_empty() {
            self.arrivals += 1;
            self.next.push(Reverse((line.used, self.arrivals, tenant)));
        } else if self.next.is_empty() {
            // No other tenant waits, so the time was not taken from any of them.
            self.used_min = self.used_min.max(line.used);
        }
        self.lines.insert(tenant, line);
        if self.lines.len() > 2 * self.next.len() + EMPTY_LINES_MAX {
            // A tenant that has used more than the least-served one keeps its account.
            let used_min = self.used_min;
            self.lines.retain(|_, line| !line.items.is_empty() || line.used > used_min);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next.is_empty() && self.turn.as_ref().is_none_or(|(_, line)| line.items.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the queue until `total` is used up; each item is its own cost. Returns what each tenant used.
    fn run(queue: &mut FairQueue<u64>, total: u64, items_per_turn: usize) -> HashMap<usize, u64> {
        let mut got = HashMap::default();
        let mut used = 0;
        while used < total && !queue.is_empty() {
            queue.begin_turn();
            let tenant = queue.turn.as_ref().unwrap().0;
            let mut cost = 0;
            for _ in 0..items_per_turn {
                cost += queue.pop().unwrap_or_default();
            }
            queue.end_turn(cost);
            *got.entry(tenant).or_default() += cost;
            used += cost;
        }
        got
    }

    #[test]
    fn time_is_shared_not_turns() {
        let mut queue = FairQueue::default();
        for _ in 0..1_000 {
            queue.push(1, 100);
        }
        for _ in 0..100_000 {
            queue.push(2, 1);
        }
        let got = run(&mut queue, 50_000, 16);
        assert!(got[&1].abs_diff(got[&2]) <= 2 * 1_600, "{got:?}");
    }

    #[test]
    fn a_single_tenant_gets_all_the_time_in_order() {
        let mut queue = FairQueue::default();
        for number in 0..100 {
            queue.push(7, number);
        }
        let mut seen = Vec::new();
        while !queue.is_empty() {
            queue.begin_turn();
            seen.extend(std::iter::from_fn(|| queue.pop()).take(16));
            queue.end_turn(5);
        }
        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn items_that_arrive_during_a_turn_belong_to_it() {
        let mut queue = FairQueue::default();
        queue.push(1, 1);
        queue.begin_turn();
        queue.push(1, 2);
        queue.push(2, 3);
        assert_eq!((queue.pop(), queue.pop(), queue.pop()), (Some(1), Some(2), None));
        queue.end_turn(10);
        queue.begin_turn();
        assert_eq!(queue.pop(), Some(3));
        queue.end_turn(1);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_tenant_that_was_away_has_no_time_saved_up() {
        let mut queue = FairQueue::default();
        for _ in 0..10_000 {
            queue.push(1, 10);
        }
        assert_eq!(run(&mut queue, 40_000, 1)[&1], 40_000);
        for _ in 0..10_000 {
            queue.push(2, 10);
        }
        let got = run(&mut queue, 1_000, 1);
        assert!(got[&1].abs_diff(got[&2]) <= 20, "{got:?}");
    }

    #[test]
    fn a_pause_does_not_reset_the_account() {
        let mut queue = FairQueue::default();
        for _ in 0..100 {
            queue.push(2, 1);
        }
        // The tenant arrives, uses much, leaves and arrives again, so its queue is always empty when it leaves.
        let mut got = HashMap::default();
        for _ in 0..10 {
            queue.push(1, 20);
            for (tenant, used) in run(&mut queue, 20, 1) {
                *got.entry(tenant).or_insert(0) += used;
            }
        }
        assert!(got[&2] >= 80, "{got:?}");
    }

    #[test]
    fn tenants_that_are_away_are_forgotten_in_time() {
        let mut queue = FairQueue::default();
        for tenant in 0..10_000 {
            queue.push(tenant, 1);
            run(&mut queue, 1, 1);
        }
        assert!(queue.lines.len() <= EMPTY_LINES_MAX + 1, "{}", queue.lines.len());
    }
}
