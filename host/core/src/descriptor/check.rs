//! Parses a descriptor, and checks the host's requirements for it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::error::DescriptorError;
use super::size::check_size;
use super::{AggregateDescriptor, DESCRIPTOR_FORMAT, Descriptor, EventDescriptor, StateChart, is_reserved_name};
use crate::AggregateName;
use crate::descriptor_limits::DESCRIPTOR_BYTES;

/// Maximum length of the parser's message in an error, in bytes.
const SHAPE_BYTES_MAX: usize = 400;

impl Descriptor {
    pub fn parse(text: &str) -> Result<Self, DescriptorError> {
        DESCRIPTOR_BYTES.check(text.len(), || "the descriptor".to_owned())?;
        let value: Value = serde_json::from_str(text).map_err(|error| shape(&error))?;
        // The format is checked first: a newer format may have another shape, and then its number is the better
        // message.
        match value.get("format").and_then(Value::as_u64) {
            Some(found) if found != u64::from(DESCRIPTOR_FORMAT) => return Err(DescriptorError::Format { found }),
            _ => {}
        }
        let descriptor: Self = serde_json::from_value(value).map_err(|error| shape(&error))?;
        check_size(&descriptor)?;
        descriptor.check()?;
        Ok(descriptor)
    }

    fn check(&self) -> Result<(), DescriptorError> {
        if self.aggregates.is_empty() && self.projections.is_empty() {
            return Err(DescriptorError::Empty);
        }
        check_reserved("a domain", self.domain.as_str())?;
        for (name, aggregate) in &self.aggregates {
            check_reserved("an aggregate", name.as_str())?;
            for command in aggregate.commands.keys() {
                check_reserved("a command", command.as_str())?;
            }
            for (event_name, event) in &aggregate.events {
                event.check().map_err(|problem| DescriptorError::Versions {
                    aggregate: name.clone(),
                    event: event_name.clone(),
                    problem,
                })?;
            }
            if let Some(chart) = &aggregate.chart {
                chart.check(name, aggregate)?;
            }
        }
        for name in self.projections.keys() {
            check_reserved("a projection", name.as_str())?;
        }
        Ok(())
    }
}

/// Shortens the parser's message, which may repeat a whole value.
fn shape(error: &serde_json::Error) -> DescriptorError {
    let mut problem = error.to_string();
    if problem.len() > SHAPE_BYTES_MAX {
        problem.truncate(problem.floor_char_boundary(SHAPE_BYTES_MAX));
        problem.push('…');
    }
    DescriptorError::Shape(problem)
}

fn check_reserved(kind: &'static str, name: &str) -> Result<(), DescriptorError> {
    if is_reserved_name(name) {
        return Err(DescriptorError::Reserved { kind, name: name.to_owned() });
    }
    Ok(())
}

impl EventDescriptor {
    fn check(&self) -> Result<(), &'static str> {
        if self.reads.first().is_none_or(|first| *first == 0) {
            return Err("versions are counted from 1, and at least one must be readable");
        }
        if !self.reads.is_sorted_by(|a, b| a < b) {
            return Err("the versions it reads must be listed once each, ascending");
        }
        if self.reads.last() != Some(&self.version) {
            return Err("the newest version it reads must be the one it writes");
        }
        Ok(())
    }
}

impl StateChart {
    fn check(&self, aggregate: &AggregateName, owner: &AggregateDescriptor) -> Result<(), DescriptorError> {
        let states: BTreeSet<&str> = self.states.iter().map(String::as_str).collect();
        let fail = |name: &str, what| DescriptorError::Chart { aggregate: aggregate.clone(), name: name.into(), what };
        let ends = self.transitions.iter().flat_map(|transition| [&transition.from, &transition.to]);
        for state in ends.chain([&self.initial]) {
            if !states.contains(state.as_str()) {
                return Err(fail(state, "states"));
            }
        }
        for transition in &self.transitions {
            if !owner.events.contains_key(&transition.event) {
                return Err(fail(transition.event.as_str(), "events"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::RESERVED_NAMES;

    fn orders() -> Value {
        json!({
            "format": 1,
            "domain": "orders",
            "aggregates": { "order": {
                "commands": { "submit-order": { "schema": {} } },
                "events": { "order-submitted": { "version": 2, "reads": [1, 2], "schema": {} } },
                "chart": { "initial": "draft", "states": ["draft", "submitted"],
                           "transitions": [{ "from": "draft", "event": "order-submitted", "to": "submitted" }] }
            } },
            "projections": { "order-summary": { "schema": {} } }
        })
    }

    fn refused(change: impl FnOnce(&mut Value)) -> String {
        let mut value = orders();
        change(&mut value);
        Descriptor::parse(&value.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn a_good_descriptor_is_read() {
        let descriptor = Descriptor::parse(&orders().to_string()).unwrap();
        assert_eq!(descriptor.aggregates.len(), 1);
    }

    #[test]
    fn bad_descriptors_are_refused_with_the_reason() {
        assert!(Descriptor::parse("{").unwrap_err().to_string().contains("not JSON"));
        assert!(refused(|v| v["format"] = json!(7)).contains("format 7"));
        assert!(refused(|v| v["domain"] = json!("events")).contains("events"));
        assert!(refused(|v| v["domain"] = json!("admin")).contains("a domain may not be named"));
        assert!(refused(|v| v["projections"]["effects"] = json!({ "schema": {} })).contains("a projection may not"));
        for name in RESERVED_NAMES {
            let command = |v: &mut Value| v["aggregates"]["order"]["commands"][name] = json!({ "schema": {} });
            assert!(refused(command).contains(&format!("a command may not be named {name:?}")));
        }
        assert!(refused(|v| v["domain"] = json!("No Good")).contains("does not start with"));
        let event =
            |v: &mut Value, reads: Value| v["aggregates"]["order"]["events"]["order-submitted"]["reads"] = reads;
        assert!(refused(|v| event(v, json!([]))).contains("at least one"));
        assert!(refused(|v| event(v, json!([0, 2]))).contains("from 1"));
        assert!(refused(|v| event(v, json!([2, 1]))).contains("ascending"));
        assert!(refused(|v| event(v, json!([1]))).contains("newest"));
        assert!(refused(|v| v["aggregates"]["order"]["chart"]["initial"] = json!("nowhere")).contains("nowhere"));
        let transition = |v: &mut Value| v["aggregates"]["order"]["chart"]["transitions"][0]["event"] = json!("lost");
        assert!(refused(transition).contains("lost"));
        assert!(refused(|v| *v = json!({"format": 1, "domain": "a"})).contains("neither"));
    }
}
