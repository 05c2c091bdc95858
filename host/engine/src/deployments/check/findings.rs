//! The findings of a replay so far.

use std::collections::{BTreeMap, HashMap, HashSet};

use polder_core::{Position, Sequence};
use polder_journal::{AggregateKey, BuildDigestHasher};
use serde_json::Value;

use super::difference::Difference;
use super::places::{self, DifferingPlace, PlaceSets};

/// Example differences in a report.
const DIFFERENCES_SHOWN_MAX: usize = 3;
/// Differing places in a report.
const PLACES_SHOWN_MAX: usize = 20;

#[derive(Default)]
pub(super) struct Findings {
    /// The aggregates that were folded, with their last sequence.
    aggregates: HashMap<AggregateKey, Sequence, BuildDigestHasher>,
    /// Aggregates that differ, with the number of the set of places where they differ.
    differing: HashMap<AggregateKey, u32, BuildDigestHasher>,
    places: PlaceSets,
    /// Example differences, each with the position of the aggregate's last event.
    examples: Vec<(AggregateKey, Position, Difference)>,
    /// Aggregates in a state that a chart has lost, with the aggregate type and that state.
    lost: HashMap<AggregateKey, (String, String), BuildDigestHasher>,
    /// Aggregates that the old revision cannot fold.
    uncompared: HashSet<AggregateKey, BuildDigestHasher>,
}

impl Findings {
    pub(super) fn folded(&mut self, key: AggregateKey, until: Sequence) {
        self.aggregates.insert(key, until);
    }

    /// Drops earlier findings about the aggregate, because it was compared again.
    pub(super) fn forget(&mut self, key: AggregateKey) {
        self.differing.remove(&key);
        self.examples.retain(|(example, ..)| *example != key);
        self.lost.remove(&key);
    }

    pub(super) fn lost(&mut self, key: AggregateKey, aggregate: &str, state: String) {
        self.lost.insert(key, (aggregate.to_owned(), state));
    }

    /// Records a difference. The tuple holds the aggregate type and the states before and after.
    pub(super) fn differs(
        &mut self,
        key: AggregateKey,
        position: Position,
        (aggregate, before, after): (&str, &Value, &Value),
        difference: impl FnOnce() -> Difference,
    ) {
        self.differing.insert(key, self.places.number_of(aggregate, before, after));
        if self.examples.len() < DIFFERENCES_SHOWN_MAX {
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

/// The findings of all parts together.
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
        examples.truncate(DIFFERENCES_SHOWN_MAX);
        summary.differences = examples.into_iter().map(|(.., difference)| difference.clone()).collect();
        summary.places = places::most_frequent(counts, PLACES_SHOWN_MAX);
        summary
    }
}
