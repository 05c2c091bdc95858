//! Limits on the size of a descriptor. The error message contains the limit's name.

const KIB: u64 = 1024;

/// One limit on a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorLimit {
    pub name: &'static str,
    pub max: u64,
    /// What it counts, for messages.
    pub what: &'static str,
}

const fn limit(name: &'static str, max: u64, what: &'static str) -> DescriptorLimit {
    DescriptorLimit { name, max, what }
}

pub const DESCRIPTOR_BYTES: DescriptorLimit = limit("descriptor_bytes_max", 2 * KIB * KIB, "bytes in all");
pub const AGGREGATES: DescriptorLimit = limit("aggregates_per_domain_max", 200, "aggregates");
pub const PROJECTIONS: DescriptorLimit = limit("projections_per_domain_max", 200, "projections");
pub const COMMANDS: DescriptorLimit = limit("commands_per_aggregate_max", 1_000, "commands");
pub const EVENTS: DescriptorLimit = limit("events_per_aggregate_max", 1_000, "events");
pub const EVENT_VERSIONS: DescriptorLimit = limit("versions_per_event_max", 1_000, "versions that can be read");
pub const CHART_STATES: DescriptorLimit = limit("chart_states_max", 1_000, "states in its chart");
pub const CHART_TRANSITIONS: DescriptorLimit = limit("chart_transitions_max", 10_000, "transitions in its chart");
pub const CHART_NAME_BYTES: DescriptorLimit = limit("chart_name_bytes_max", 128, "bytes in a name of its chart");
pub const PROJECTED_AGGREGATES: DescriptorLimit =
    limit("aggregates_per_projection_max", AGGREGATES.max, "aggregates that it follows");
pub const SCHEMA_BYTES: DescriptorLimit = limit("schema_bytes_max", 256 * KIB, "bytes in a schema");
pub const DOC_BYTES: DescriptorLimit = limit("doc_bytes_max", 16 * KIB, "bytes of documentation");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::Descriptor;

    fn domain() -> Value {
        json!({
            "format": 1,
            "domain": "shop",
            "aggregates": { "order": {
                "commands": { "send": { "schema": {} } },
                "events": { "sent": { "version": 1, "reads": [1], "schema": {} } },
                "chart": { "initial": "a", "states": ["a"],
                           "transitions": [{ "from": "a", "event": "sent", "to": "a" }] }
            } },
            "projections": { "orders": { "schema": {}, "per_aggregate": ["order"] } }
        })
    }

    fn many(count: u64, value: &Value) -> Value {
        (0..count).map(|number| (format!("n{number}"), value.clone())).collect::<serde_json::Map<_, _>>().into()
    }

    /// Changes a descriptor so that it has exactly `count` of what the limit counts.
    type Change = fn(&mut Value, u64);

    #[test]
    fn each_limit_is_reached_and_named() {
        let cases: [(DescriptorLimit, Change); 11] = [
            (AGGREGATES, |v, count| v["aggregates"] = many(count, &v["aggregates"]["order"])),
            (PROJECTIONS, |v, count| v["projections"] = many(count, &v["projections"]["orders"])),
            (COMMANDS, |v, count| v["aggregates"]["order"]["commands"] = many(count, &json!({ "schema": {} }))),
            (EVENTS, |v, count| {
                let event = v["aggregates"]["order"]["events"]["sent"].clone();
                v["aggregates"]["order"]["events"] = many(count, &event);
                v["aggregates"]["order"]["chart"] = Value::Null;
            }),
            (EVENT_VERSIONS, |v, count| {
                let event = &mut v["aggregates"]["order"]["events"]["sent"];
                (event["version"], event["reads"]) = (json!(count), (1..=count).collect());
            }),
            (CHART_STATES, |v, count| {
                let states = (1..count).map(|number| number.to_string()).chain(["a".to_owned()]);
                v["aggregates"]["order"]["chart"]["states"] = states.collect();
            }),
            (CHART_TRANSITIONS, |v, count| {
                let transition = v["aggregates"]["order"]["chart"]["transitions"][0].clone();
                v["aggregates"]["order"]["chart"]["transitions"] = (0..count).map(|_| transition.clone()).collect();
            }),
            (CHART_NAME_BYTES, |v, count| {
                let name = "s".repeat(usize::try_from(count).unwrap());
                v["aggregates"]["order"]["chart"]["states"] = json!(["a", name]);
            }),
            (PROJECTED_AGGREGATES, |v, count| {
                v["projections"]["orders"]["per_aggregate"] = (0..count).map(|_| "order").collect();
            }),
            // The quotes count too.
            (SCHEMA_BYTES, |v, count| {
                v["projections"]["orders"]["schema"] = json!("x".repeat(usize::try_from(count - 2).unwrap()));
            }),
            (DOC_BYTES, |v, count| {
                v["aggregates"]["order"]["commands"]["send"]["doc"] =
                    json!("x".repeat(usize::try_from(count).unwrap()));
            }),
        ];
        for (limit, change) in cases {
            let parse = |count: u64| {
                let mut value = domain();
                change(&mut value, count);
                Descriptor::parse(&value.to_string())
            };
            assert!(parse(limit.max).is_ok(), "{}: {:?}", limit.name, parse(limit.max).err());
            let message = parse(limit.max + 1).unwrap_err().to_string();
            assert!(message.contains(&format!("(limit {})", limit.name)), "{message}");
            assert!(message.len() < 300, "{message}");
        }
    }

    #[test]
    fn a_descriptor_that_is_too_long_is_not_parsed() {
        let message = Descriptor::parse(&"[".repeat(usize::try_from(DESCRIPTOR_BYTES.max).unwrap() + 1)).unwrap_err();
        assert!(message.to_string().contains("(limit descriptor_bytes_max)"), "{message}");
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z@\\\\\"0-9-]{0,70}".prop_map(Value::from),
            Just(json!("order")),
            Just(json!([1, 2])),
        ];
        leaf.prop_recursive(4, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[a-z-]{0,10}", inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// All places in a value, as JSON pointers.
    fn places(value: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| places(value, &format!("{at}/{name}"), found))
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(index, value)| places(value, &format!("{at}/{index}"), found));
            }
            _ => {}
        }
    }

    proptest! {
        /// A descriptor with another value at any place is refused with a short message, or reads back unchanged.
        #[test]
        fn a_changed_descriptor_is_refused_or_good(place in any::<prop::sample::Index>(), value in json()) {
            let mut changed = domain();
            let mut found = Vec::new();
            places(&changed, "", &mut found);
            *changed.pointer_mut(&found[place.index(found.len())]).unwrap() = value;
            match Descriptor::parse(&changed.to_string()) {
                Ok(descriptor) => {
                    let text = serde_json::to_string(&descriptor).unwrap();
                    prop_assert_eq!(Descriptor::parse(&text).unwrap(), descriptor);
                }
                Err(error) => prop_assert!(error.to_string().len() < 1_000, "{error}"),
            }
        }

        /// A descriptor with other bytes anywhere is refused or valid, and nothing panics.
        #[test]
        fn damaged_text_is_refused_or_good(at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 0..8)) {
            let mut text = domain().to_string().into_bytes();
            let at = at.index(text.len());
            let end = (at + bytes.len()).min(text.len());
            text.splice(at..end, bytes);
            let _ = Descriptor::parse(&String::from_utf8_lossy(&text));
        }
    }
}
