//! What a replay has found so far.

use std::collections::{BTreeMap, HashMap, HashSet};

use polder_core::{Position, Sequence};
use polder_journal::{AggregateKey, BuildDigestHasher};
use serde_json::Value;

use super::difference::Difference;
use super::places::{self, DifferingPlace, PlaceSets};

/// Differences that are told.
const DIFFERENCES_TOLD_MAX: usize = 3;
/// Places where states differ that are told.
const PLACES_TOLD_MAX: usize = 20;

#[derive(Default)]
pub(super) struct Findings {
    /// What was folded, and how far.
    aggregates: HashMap<AggregateKey, Sequence, BuildDigestHasher>,
    /// With the number of the set of places where it differs.
    differing: HashMap<AggregateKey, u32, BuildDigestHasher>,
    places: PlaceSets,
    /// With where the aggregate's history ends.
    examples: Vec<(AggregateKey, Position, Difference)>,
    /// Aggregates in a state that a chart has lost: which kind of aggregate, and which state.
    lost: HashMap<AggregateKey, (String, String), BuildDigestHasher>,
    /// Aggregates over which the old revision fails.
    uncompared: HashSet<AggregateKey, BuildDigestHasher>,
}

impl Findings {
    pub(super) fn folded(&mut self, key: AggregateKey, until: Sequence) {
        self.aggregates.insert(key, until);
    }

    /// What was found of the aggregate before holds no longer.
    pub(super) fn forget(&mut self, key: AggregateKey) {
        self.differing.remove(&key);
        self.examples.retain(|(example, ..)| *example != key);
        self.lost.remove(&key);
    }

    pub(super) fn lost(&mut self, key: AggregateKey, aggregate: &str, state: String) {
        self.lost.insert(key, (aggregate.to_owned(), state));
    }

    /// `state`: of which kind of aggregate, before and after.
    pub(super) fn differs(
        &mut self,
        key: AggregateKey,
        position: Position,
        (aggregate, before, after): (&str, &Value, &Value),
        difference: impl FnOnce() -> Difference,
    ) {
        self.differing.insert(key, self.places.number_of(aggregate, before, after));
        if self.examples.len() < DIFFERENCES_TOLD_MAX {
            self.examples.push((key, position, difference()));
        }
    }

    pub(super) fn uncompared(&mut self, key: AggregateKey) {
        self.uncompared.insert(key);
    }

    pub(super) fn is_uncompared(&self, key: AggregateKey) -> bool {
        self.uncompared.contains(&key)
    }

    pub(super) fn nothing_compared(&mut self) {
        self.uncompared.extend(self.aggregates.keys());
    }
}

/// Of all parts.
#[derive(Default)]
pub(super) struct Summary {
    pub(super) aggregates: u64,
    pub(super) events: u64,
    pub(super) differing: u64,
    pub(super) places: Vec<DifferingPlace>,
    pub(super) differences: Vec<Difference>,
    pub(super) lost: Vec<(String, String)>,
    pub(super) uncompared: u64,
}

impl Summary {
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a Findings>) -> Self {
        let (mut summary, mut examples, mut counts) = (Self::default(), Vec::new(), BTreeMap::new());
        for findings in all {
            summary.aggregates += findings.aggregates.len() as u64;
            summary.events += findings.aggregates.values().map(|sequence| sequence.0).sum::<u64>();
            summary.differing += findings.differing.len() as u64;
            findings.differing.values().for_each(|number| findings.places.count(*number, &mut counts));
            examples.extend(&findings.examples);
            summary.lost.extend(findings.lost.values().cloned());
            summary.uncompared += findings.uncompared.len() as u64;
        }
        examples.sort_unstable_by_key(|(_, position, _)| *position);
        examples.truncate(DIFFERENCES_TOLD_MAX);
        summary.differences = examples.into_iter().map(|(.., difference)| difference.clone()).collect();
        summary.places = places::told(counts, PLACES_TOLD_MAX);
        summary
    }
}
