//! Chooses the next task, fairly between tenants by the CPU time that their turns took, not by the number of their
//! tasks. It has no clock and no threads; several threads may take turns at a time.

use std::collections::{BTreeSet, HashMap, VecDeque};

/// Nanoseconds that a running turn counts until its end, so that one tenant does not get all threads at once.
const EXPECTED_NS: u64 = 20_000_000;
/// Empty queues are dropped when there are this many more of them than of the others.
const EMPTY_LINES_MAX: usize = 64;

/// A tenant, by its address; 0 for the host's own work.
pub(super) type Owner = usize;

pub(super) struct FairLines<T> {
    lines: HashMap<Owner, Line<T>>,
    /// The queues that hold something, ordered by the time used, then by arrival.
    waiting: BTreeSet<(u64, u64, Owner)>,
    /// Time that the owner of the last turn had used before it. An owner that was away starts at least here, so it
    /// cannot save up time.
    floor_ns: u64,
    arrivals: u64,
}

struct Line<T> {
    tasks: VecDeque<T>,
    used_ns: u64,
    arrival: u64,
}

impl<T> Default for FairLines<T> {
    fn default() -> Self {
        Self { lines: HashMap::new(), waiting: BTreeSet::new(), floor_ns: 0, arrivals: 0 }
    }
}

impl<T> FairLines<T> {
    pub(super) fn push(&mut self, owner: Owner, task: T) {
        let floor_ns = self.floor_ns;
        let new = || Line { tasks: VecDeque::new(), used_ns: floor_ns, arrival: 0 };
        let line = self.lines.entry(owner).or_insert_with(new);
        line.tasks.push_back(task);
        if line.tasks.len() == 1 {
            self.arrivals += 1;
            (line.arrival, line.used_ns) = (self.arrivals, line.used_ns.max(floor_ns));
            self.waiting.insert((line.used_ns, line.arrival, owner));
        }
    }

    /// Takes the next task of the owner that has used the least time. The caller must end the turn with
    /// [`charge`](Self::charge).
    pub(super) fn pop(&mut self) -> Option<(Owner, T)> {
        let (used_ns, _, owner) = self.waiting.pop_first()?;
        self.floor_ns = self.floor_ns.max(used_ns);
        let line = self.lines.get_mut(&owner)?;
        let task = line.tasks.pop_front()?;
        line.used_ns = line.used_ns.saturating_add(EXPECTED_NS);
        self.place(owner);
        Some((owner, task))
    }

    /// Ends a turn of the owner and charges its time.
    pub(super) fn charge(&mut self, owner: Owner, used_ns: u64) {
        let Some(line) = self.lines.get_mut(&owner) else { return };
        self.waiting.remove(&(line.used_ns, line.arrival, owner));
        line.used_ns = line.used_ns.saturating_sub(EXPECTED_NS).saturating_add(used_ns);
        let (used_ns, is_alone) = (line.used_ns, line.tasks.is_empty() && self.waiting.is_empty());
        if is_alone {
            // No other owner waits, so the time was not taken from any of them.
            self.floor_ns = self.floor_ns.max(used_ns);
        }
        self.place(owner);
        if self.lines.len() > 2 * self.waiting.len() + EMPTY_LINES_MAX {
            // An owner that has used more than the others keeps its account.
            let floor_ns = self.floor_ns;
            self.lines.retain(|_, line| !line.tasks.is_empty() || line.used_ns > floor_ns);
        }
    }

    fn place(&mut self, owner: Owner) {
        let Some(line) = self.lines.get_mut(&owner).filter(|line| !line.tasks.is_empty()) else { return };
        self.arrivals += 1;
        line.arrival = self.arrivals;
        self.waiting.insert((line.used_ns, line.arrival, owner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs turns until `total_ns` are used. Each task is its own cost and is queued again. Returns the owners of the
    /// turns in order.
    fn run(lines: &mut FairLines<u64>, total_ns: u64) -> Vec<Owner> {
        let (mut used_ns, mut owners) = (0, Vec::new());
        while used_ns < total_ns {
            let Some((owner, cost)) = lines.pop() else { break };
            lines.push(owner, cost);
            lines.charge(owner, cost);
            used_ns += cost;
            owners.push(owner);
        }
        owners
    }

    fn count(owners: &[Owner], wanted: Owner) -> usize {
        owners.iter().filter(|owner| **owner == wanted).count()
    }

    #[test]
    fn fifty_tasks_of_one_tenant_leave_another_its_half() {
        let mut lines = FairLines::default();
        (0..50).for_each(|_| lines.push(1, 100_000_000));
        lines.push(2, 1_000_000);
        let owners = run(&mut lines, 10_000_000_000);
        let (used_by_1, used_by_2) = (100 * count(&owners, 1), count(&owners, 2));
        assert!(used_by_1.abs_diff(used_by_2) <= 200, "{used_by_1} ms, {used_by_2} ms");
    }

    #[test]
    fn a_tenant_that_arrives_has_the_next_turn() {
        let mut lines = FairLines::default();
        (0..50).for_each(|_| lines.push(1, 100_000_000));
        run(&mut lines, 3_000_000_000);
        lines.push(2, 1);
        assert_eq!(lines.pop(), Some((2, 1)));
    }

    #[test]
    fn two_turns_at_a_time_go_to_two_tenants() {
        let mut lines = FairLines::default();
        (0..3).for_each(|_| lines.push(1, 0));
        (0..3).for_each(|_| lines.push(2, 0));
        let turns = [lines.pop(), lines.pop()].map(|turn| turn.map(|(owner, _)| owner));
        assert_eq!(turns, [Some(1), Some(2)]);
    }

    #[test]
    fn tasks_of_one_tenant_run_in_order_and_end() {
        let mut lines = FairLines::default();
        (0..10).for_each(|number| lines.push(7, number));
        let mut seen = Vec::new();
        while let Some((owner, number)) = lines.pop() {
            seen.push(number);
            lines.charge(owner, 5);
        }
        assert_eq!(seen, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn owners_that_are_away_are_forgotten_in_time() {
        let mut lines = FairLines::default();
        for owner in 0..10_000 {
            lines.push(owner, 0);
            lines.pop();
            lines.charge(owner, 1);
        }
        assert!(lines.lines.len() <= EMPTY_LINES_MAX + 2, "{}", lines.lines.len());
    }
}
