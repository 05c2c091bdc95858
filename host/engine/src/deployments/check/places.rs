//! Counts the places where states differ over many states, so that a few real differences stand out among thousands
//! with one common cause. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Places that are compared in one state, and sets of places that are counted separately.
const PLACES_MAX: usize = 32;
const SETS_MAX: usize = 1_000;
/// The name for all further places.
const OTHERS: &str = "other places";

/// A place and the number of states that differ there. A field that was only renamed is shown as `old → new`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferingPlace {
    pub aggregate: String,
    /// The path with dots; `*` stands for any element of a list.
    pub path: String,
    pub aggregates: u64,
}

/// Places where states of one aggregate type differ.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PlaceSet {
    aggregate: String,
    places: Vec<String>,
}

/// Numbered sets of places. Most states that differ do so in the same places.
#[derive(Default)]
pub(super) struct PlaceSets {
    numbers: BTreeMap<PlaceSet, u32>,
    sets: Vec<PlaceSet>,
}

impl PlaceSets {
    pub(super) fn number_of(&mut self, aggregate: &str, before: &Value, after: &Value) -> u32 {
        let aggregate = aggregate.to_owned();
        let set = PlaceSet { places: places(before, after), aggregate };
        if let Some(number) = self.numbers.get(&set) {
            return *number;
        }
        let set = match self.sets.len() < SETS_MAX {
            true => set,
            false => PlaceSet { places: vec![OTHERS.to_owned()], ..set },
        };
        *self.numbers.entry(set).or_insert_with_key(|set| {
            self.sets.push(set.clone());
            (self.sets.len() - 1) as u32
        })
    }

    /// Adds the places of a state with this set to the counts.
    pub(super) fn count(&self, number: u32, counts: &mut BTreeMap<(String, String), u64>) {
        let PlaceSet { aggregate, places } = &self.sets[number as usize];
        for place in places {
            *counts.entry((aggregate.clone(), place.clone())).or_default() += 1;
        }
    }
}

/// The most frequent places, at most `count_max`, the most frequent first.
pub(super) fn most_frequent(counts: BTreeMap<(String, String), u64>, count_max: usize) -> Vec<DifferingPlace> {
    let place = |((aggregate, path), aggregates)| DifferingPlace { aggregate, path, aggregates };
    let mut places: Vec<_> = counts.into_iter().map(place).collect();
    places.sort_by_key(|place| std::cmp::Reverse(place.aggregates));
    places.truncate(count_max);
    places
}

/// The differing places, without duplicates.
fn places(before: &Value, after: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", before, after, &mut found);
    found.sort_unstable();
    found.dedup();
    if found.len() > PLACES_MAX {
        found.truncate(PLACES_MAX);
        found.push(OTHERS.to_owned());
    }
    found
}

fn compare(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => compare_members(path, before, after, found),
        (Value::Array(before), Value::Array(after)) => {
            let path = below(path, "*");
            before.iter().zip(after).for_each(|(before, after)| compare(&path, before, after, found));
            if before.len() != after.len() {
                found.push(path);
            }
        }
        _ => found.push(if path.is_empty() { "all of it".to_owned() } else { path.to_owned() }),
    }
}

fn compare_members(path: &str, before: &Map<String, Value>, after: &Map<String, Value>, found: &mut Vec<String>) {
    let mut added: Vec<&String> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    for (name, value) in before {
        if let Some(after) = after.get(name) {
            compare(&below(path, name), value, after, found);
            continue;
        }
        match added.iter().position(|added| after[*added] == *value) {
            Some(index) => found.push(format!("{} → {}", below(path, name), added.remove(index))),
            None => found.push(format!("{} (gone)", below(path, name))),
        }
    }
    found.extend(added.into_iter().map(|name| format!("{} (new)", below(path, name))));
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_place_is_listed_once() {
        for (before, after, expected) in [
            (json!({ "a": 1 }), json!({ "a": 1 }), vec![]),
            (json!({ "seriousness": "high" }), json!({ "level": "high" }), vec!["seriousness → level"]),
            (json!({ "a": 1, "b": 2 }), json!({ "c": 2, "d": 3 }), vec!["a (gone)", "b → c", "d (new)"]),
            (
                json!({ "lines": [{ "price": 1 }, { "price": 1 }], "status": "open" }),
                json!({ "lines": [{ "price": 2 }, { "price": 2 }, {}], "status": "done" }),
                vec!["lines.*", "lines.*.price", "status"],
            ),
            (json!(1), json!({}), vec!["all of it"]),
        ] {
            assert_eq!(places(&before, &after), expected);
        }
    }

    #[test]
    fn a_rare_difference_stands_out_from_a_common_one() {
        let (mut sets, mut counts) = (PlaceSets::default(), BTreeMap::new());
        for number in 0..4_577 {
            let status = if number % 1_600 == 0 { "gone" } else { "open" };
            let before = json!({ "seriousness": number, "status": "open" });
            let after = json!({ "level": number, "status": status });
            let set = sets.number_of("report", &before, &after);
            sets.count(set, &mut counts);
        }
        let listed: Vec<_> =
            most_frequent(counts, 10).into_iter().map(|place| (place.path, place.aggregates)).collect();
        assert_eq!(listed, [("seriousness → level".to_owned(), 4_577), ("status".to_owned(), 3)]);
        assert_eq!(sets.sets.len(), 2);
    }

    #[test]
    fn the_number_of_places_and_sets_is_bounded() {
        let wide = |value: u64| Value::Object((0..100).map(|name| (format!("f{name}"), json!(value))).collect());
        let found = places(&wide(1), &wide(2));
        assert_eq!((found.len(), found.last().map(String::as_str)), (PLACES_MAX + 1, Some(OTHERS)));
        let mut sets = PlaceSets::default();
        for number in 0..2 * SETS_MAX {
            sets.number_of("a", &json!({ format!("f{number}"): 1 }), &json!({}));
        }
        assert_eq!(sets.sets.len(), SETS_MAX + 1);
    }
}
