//! Finds the states that a chart has lost from one revision to the next, and the aggregates that are in such a state.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use polder_core::Descriptor;
use serde_json::Value;

use super::verdict::{CheckRefusal, LostState};

/// The charts that have lost states, by aggregate.
pub(super) struct LostStates(BTreeMap<String, Lost>);

struct Lost {
    /// The field of a state that contains its place in the chart.
    field: String,
    states: BTreeSet<String>,
}

impl LostStates {
    /// A new revision without a chart has lost no states, because it allows all of them.
    pub(super) fn between(old: &Descriptor, new: &Descriptor) -> Self {
        let lost = old.aggregates.iter().filter_map(|(name, aggregate)| {
            let (chart, next) = (aggregate.chart.as_ref()?, new.aggregates.get(name)?.chart.as_ref()?);
            let states = chart.states.iter().filter(|state| !next.states.contains(state)).cloned();
            Some((name.to_string(), Lost { field: chart.field.clone()?, states: states.collect() }))
        });
        Self(lost.filter(|(_, lost)| !lost.states.is_empty()).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lost state that an aggregate is in, read from its state under the old revision.
    pub(super) fn of(&self, aggregate: &str, shown: &Value) -> Option<String> {
        let lost = self.0.get(aggregate)?;
        let state = shown.get(&lost.field)?.as_str()?;
        lost.states.contains(state).then(|| state.to_owned())
    }
}

/// One refusal for each aggregate type.
pub(super) fn refusals<'a>(found: impl Iterator<Item = &'a (String, String)>) -> Vec<CheckRefusal> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for (aggregate, state) in found {
        *counts.entry(aggregate).or_default().entry(state).or_default() += 1;
    }
    let refusal = |(aggregate, states): (&str, BTreeMap<&str, u64>)| CheckRefusal::LostStates {
        aggregate: aggregate.to_owned(),
        states: states
            .into_iter()
            .map(|(state, aggregates)| LostState { state: state.to_owned(), aggregates })
            .collect(),
    };
    counts.into_iter().map(refusal).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn descriptor(states: &[&str]) -> Descriptor {
        let chart = json!({ "field": "status", "initial": states[0], "states": states, "transitions": [] });
        let order = json!({ "commands": {}, "events": {}, "chart": chart });
        let plain = json!({ "commands": {}, "events": {} });
        Descriptor::parse(
            &json!({ "format": 1, "domain": "d", "aggregates": { "order": order, "plain": plain } }).to_string(),
        )
        .unwrap()
    }

    #[test]
    fn only_removed_states_count() {
        let lost = LostStates::between(&descriptor(&["new", "draft", "sent"]), &descriptor(&["new", "sent", "paid"]));
        assert_eq!(lost.of("order", &json!({ "status": "draft" })), Some("draft".into()));
        for shown in [json!({ "status": "sent" }), json!({}), json!({ "status": 1 }), json!(null)] {
            assert_eq!(lost.of("order", &shown), None);
        }
        assert_eq!(lost.of("plain", &json!({ "status": "draft" })), None);
        assert!(LostStates::between(&descriptor(&["new"]), &descriptor(&["new", "more"])).is_empty());
    }

    #[test]
    fn lost_states_are_counted() {
        let found =
            [("order", "draft"), ("order", "sent"), ("order", "draft")].map(|(a, s)| (a.to_owned(), s.to_owned()));
        let texts: Vec<String> = refusals(found.iter()).iter().map(ToString::to_string).collect();
        let [text] = texts.as_slice() else { panic!("one for each aggregate type: {texts:?}") };
        assert!(
            text.starts_with("the chart of order has lost states that are in use: draft (2), sent (1); "),
            "{text}"
        );
        assert!(text.contains("#[serde(rename = \"draft\")]"), "it names a fix: {text}");
    }
}
