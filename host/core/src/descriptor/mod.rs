//! The descriptor that a domain returns from `catalog.describe`.

mod check;
mod error;
mod size;

pub use error::DescriptorError;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{AggregateName, CommandName, DomainName, EventName, ProjectionName};

/// The descriptor format that this host reads.
pub const DESCRIPTOR_FORMAT: u32 = 1;

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
