//! Counts faults by caller and by aggregate. Keeps hashes only, and a bounded number of them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use polder_core::{Command, counted};
use polder_journal::AggregateKey;

/// Callers, and aggregates, that are counted separately. If there are more, no single one matters.
const ORIGINS_MAX: usize = 256;

/// The caller of a call and the aggregate it was for, as hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(super) caller: u64,
    pub(super) aggregate: u64,
}

impl Origin {
    /// The origin of a command. All callers without a name count as one.
    pub(crate) fn of(command: &Command, key: AggregateKey) -> Self {
        Self { caller: hash(command.actor.as_deref().unwrap_or_default()), aggregate: hash(key.0) }
    }

    /// Whether both the caller and the aggregate differ.
    pub(super) fn is_apart(self, other: Self) -> bool {
        self.caller != other.caller && self.aggregate != other.aggregate
    }
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

#[derive(Debug, Default)]
pub(super) struct Origins {
    count: u64,
    by_caller: HashMap<u64, u64>,
    by_aggregate: HashMap<u64, u64>,
    by_both: HashMap<(u64, u64), u64>,
}

impl Origins {
    pub(super) fn add(&mut self, origin: Origin) {
        self.count += 1;
        count(&mut self.by_caller, origin.caller);
        count(&mut self.by_aggregate, origin.aggregate);
        count(&mut self.by_both, (origin.caller, origin.aggregate));
    }

    /// Number of all faults.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Number of faults that concern the caller with most faults, or the aggregate with most faults, or both.
    pub(super) fn of_one_caller_or_one_aggregate(&self) -> u64 {
        let (caller, of_caller) = most(&self.by_caller);
        let (aggregate, of_aggregate) = most(&self.by_aggregate);
        let counted_twice = self.by_both.get(&(caller, aggregate)).copied().unwrap_or_default();
        of_caller + of_aggregate - counted_twice
    }

    pub(super) fn callers(&self) -> String {
        described(&self.by_caller, "caller")
    }

    pub(super) fn aggregates(&self) -> String {
        described(&self.by_aggregate, "aggregate")
    }
}

fn count<N: Hash + Eq>(counts: &mut HashMap<N, u64>, name: N) {
    if counts.len() < ORIGINS_MAX || counts.contains_key(&name) {
        *counts.entry(name).or_default() += 1;
    }
}

fn most(counts: &HashMap<u64, u64>) -> (u64, u64) {
    counts.iter().map(|(name, count)| (*name, *count)).max_by_key(|(_, count)| *count).unwrap_or_default()
}

fn described(counts: &HashMap<u64, u64>, noun: &str) -> String {
    let or_more = if counts.len() == ORIGINS_MAX { " or more" } else { "" };
    format!("{}{or_more}", counted(counts.len(), noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_of_names_is_kept() {
        let mut origins = Origins::default();
        for number in 0..10 * ORIGINS_MAX as u64 {
            origins.add(Origin { caller: number, aggregate: 1 });
        }
        assert_eq!((origins.by_caller.len(), origins.by_aggregate.len()), (ORIGINS_MAX, 1));
        assert_eq!(origins.by_both.len(), ORIGINS_MAX);
        assert_eq!(
            (origins.count(), origins.of_one_caller_or_one_aggregate()),
            (10 * ORIGINS_MAX as u64, origins.count())
        );
        assert_eq!((origins.callers(), origins.aggregates()), ("256 callers or more".into(), "1 aggregate".into()));
    }

    #[test]
    fn one_caller_and_one_aggregate_may_both_be_at_fault() {
        let mut origins = Origins::default();
        for number in 10..20 {
            origins.add(Origin { caller: 1, aggregate: number });
            origins.add(Origin { caller: number, aggregate: 1 });
        }
        origins.add(Origin { caller: 1, aggregate: 1 });
        assert_eq!(origins.of_one_caller_or_one_aggregate(), 21);
        origins.add(Origin { caller: 2, aggregate: 2 });
        assert_eq!((origins.count(), origins.of_one_caller_or_one_aggregate()), (22, 21));
    }
}
