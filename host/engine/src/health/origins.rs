//! Whom faults befell: counts them by caller and by aggregate. Knows hashes only, and a bounded number of them.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use polder_core::Command;
use polder_journal::AggregateKey;

/// Callers, and aggregates, that are told apart. Where there are more, no single one matters.
const ORIGINS_MAX: usize = 256;

/// Whose call it was, and of which aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(super) caller: u64,
    pub(super) aggregate: u64,
}

impl Origin {
    /// Callers without a name count as one.
    pub(crate) fn of(command: &Command, key: AggregateKey) -> Self {
        Self { caller: hash(command.actor.as_deref().unwrap_or_default()), aggregate: hash(key.0) }
    }

    /// Neither the caller nor the aggregate is the same.
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
}

impl Origins {
    pub(super) fn add(&mut self, origin: Origin) {
        self.count += 1;
        for (counts, name) in [(&mut self.by_caller, origin.caller), (&mut self.by_aggregate, origin.aggregate)] {
            if counts.len() < ORIGINS_MAX || counts.contains_key(&name) {
                *counts.entry(name).or_default() += 1;
            }
        }
    }

    /// Of all faults.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The faults of the caller with most of them.
    pub(super) fn of_one_caller(&self) -> u64 {
        self.by_caller.values().copied().max().unwrap_or_default()
    }

    /// The faults of the aggregate with most of them.
    pub(super) fn of_one_aggregate(&self) -> u64 {
        self.by_aggregate.values().copied().max().unwrap_or_default()
    }

    pub(super) fn callers(&self) -> String {
        told(&self.by_caller, "caller")
    }

    pub(super) fn aggregates(&self) -> String {
        told(&self.by_aggregate, "aggregate")
    }
}

fn told(counts: &HashMap<u64, u64>, noun: &str) -> String {
    match counts.len() {
        1 => format!("1 {noun}"),
        ORIGINS_MAX => format!("{ORIGINS_MAX} {noun}s or more"),
        count => format!("{count} {noun}s"),
    }
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
        assert_eq!((origins.count(), origins.of_one_caller()), (10 * ORIGINS_MAX as u64, 1));
        assert_eq!(origins.of_one_aggregate(), origins.count());
        assert_eq!((origins.callers(), origins.aggregates()), ("256 callers or more".into(), "1 aggregate".into()));
    }
}
