//! The descriptor that a domain returns from `catalog.describe`, and the host's requirements for it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::descriptor_limits::{self, DescriptorLimit};
use crate::{AggregateName, CommandName, DomainName, EventName, ProjectionName};

/// The descriptor format that this host reads.
pub const DESCRIPTOR_FORMAT: u32 = 1;

/// Maximum length of the parser's message in an error, in bytes.
const SHAPE_BYTES_MAX: usize = 400;

/// Words that have another meaning in HTTP paths and subjects. A domain, aggregate, command or projection must not have
/// one of them as its name. `polder-sdk-macros` holds the same list.
pub const RESERVED_NAMES: [&str; 12] = [
    "domains", "events", "views", "effects", "parked", "catalog", "cmd", "commands", "query", "result", "state",
    "admin",
];

pub fn is_reserved_name(name: &str) -> bool {
    RESERVED_NAMES.contains(&name)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Descriptor {
    pub format: u32,
    pub domain: DomainName,
    #[serde(default)]
    pub aggregates: BTreeMap<AggregateName, AggregateDescriptor>,
    #[serde(default)]
    pub projections: BTreeMap<ProjectionName, ProjectionDescriptor>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AggregateDescriptor {
    #[serde(default)]
    pub doc: String,
    pub commands: BTreeMap<CommandName, CommandDescriptor>,
    pub events: BTreeMap<EventName, EventDescriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<StateChart>,
    /// JSON schema of the value that `inspect` returns.
    #[serde(default)]
    pub state_schema: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandDescriptor {
    #[serde(default)]
    pub doc: String,
    /// JSON schema of the payload.
    pub schema: Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventDescriptor {
    #[serde(default)]
    pub doc: String,
    /// The version of new events.
    pub version: u32,
    /// All versions that can be read, ascending. The last one is `version`.
    pub reads: Vec<u32>,
    /// JSON schema of the payload in its newest version.
    pub schema: Value,
}

/// A declared life cycle: which event moves an aggregate from which state to which.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateChart {
    /// The member of the inspected state that holds the name of the chart's state; `None` if there is no such member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    pub initial: String,
    pub states: Vec<String>,
    pub transitions: Vec<Transition>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    pub from: String,
    pub event: EventName,
    pub to: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectionDescriptor {
    #[serde(default)]
    pub doc: String,
    /// JSON schema of a document.
    pub schema: Value,
    /// If set, each event of these aggregates belongs to the document whose key is the aggregate's id, and other events
    /// belong to no document. If not set, the host calls the component's `route`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_aggregate: Option<Vec<AggregateName>>,
}

/// Why a descriptor cannot be used. The domain's author has to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    #[error("the descriptor is not JSON of the expected shape: {0}")]
    Shape(String),
    #[error(
        "the descriptor has format {found}; this host reads format {DESCRIPTOR_FORMAT}: build with a matching polder-sdk"
    )]
    Format { found: u64 },
    #[error("{kind} may not be named {name:?}: that word has a meaning of its own in paths and subjects")]
    Reserved { kind: &'static str, name: String },
    #[error("{place} has {found} {}; at most {} are allowed (limit {})", limit.what, limit.max, limit.name)]
    Limit { place: String, found: u64, limit: DescriptorLimit },
    #[error("the domain has neither an aggregate nor a projection")]
    Empty,
    #[error("event {event:?} of aggregate {aggregate:?}: {problem}")]
    Versions { aggregate: AggregateName, event: EventName, problem: &'static str },
    #[error("the state chart of aggregate {aggregate:?} names {name:?}, which is not one of its {what}")]
    Chart { aggregate: AggregateName, name: String, what: &'static str },
}

impl Descriptor {
    pub fn parse(text: &str) -> Result<Self, DescriptorError> {
        descriptor_limits::DESCRIPTOR_BYTES.check(text.len(), || "the descriptor".to_owned())?;
        let value: Value = serde_json::from_str(text).map_err(|error| shape(&error))?;
        // The format is checked first: a newer format may have another shape, and then its number is the better
        // message.
        match value.get("format").and_then(Value::as_u64) {
            Some(found) if found != u64::from(DESCRIPTOR_FORMAT) => return Err(DescriptorError::Format { found }),
            _ => {}
        }
        let descriptor: Self = serde_json::from_value(value).map_err(|error| shape(&error))?;
        descriptor_limits::check(&descriptor)?;
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
    use super::*;
    use serde_json::json;

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
