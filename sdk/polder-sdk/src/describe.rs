//! The description of a domain: the JSON document that `catalog.describe` returns.
#![allow(missing_docs, reason = "generated code calls this; people do not")]

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::aggregate::{Aggregate, Command, Event};
use crate::chart::StateChart;
use crate::projection::{Projection, Source};

/// The version of the descriptor's format.
pub(crate) const DESCRIPTOR_FORMAT: u32 = 1;

/// One command, as declared in its enum.
#[derive(Debug)]
pub struct CommandVariant {
    pub variant: &'static str,
    pub name: &'static str,
    pub doc: &'static str,
    pub schema: fn() -> Schema,
}

/// One event, as declared in its enum.
#[derive(Debug)]
pub struct EventVariant {
    pub variant: &'static str,
    pub name: &'static str,
    pub version: u32,
    pub doc: &'static str,
    pub schema: fn() -> Schema,
}

/// The JSON schema for reading a `T`.
pub(crate) fn schema_read<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<T>()
}

/// The JSON schema for writing a `T`.
fn schema_written<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    schema_read::<T>().to_value()
}

/// Whether a schema allows numbers that are not whole.
pub(crate) fn mentions_floats(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.iter().any(|(name, member)| match (name.as_str(), member) {
            ("type", Value::String(kind)) => kind == "number",
            ("type", Value::Array(kinds)) => kinds.iter().any(|kind| kind == "number"),
            _ => mentions_floats(member),
        }),
        Value::Array(items) => items.iter().any(mentions_floats),
        _ => false,
    }
}

pub(crate) fn aggregate<A: Aggregate>() -> Value {
    let commands: Map<String, Value> = A::Command::VARIANTS
        .iter()
        .map(|command| (command.name.to_owned(), json!({ "doc": command.doc, "schema": (command.schema)() })))
        .collect();
    let events: Map<String, Value> = A::Event::VARIANTS
        .iter()
        .map(|event| {
            let reads: Vec<u32> = (1..=event.version).collect();
            let about = json!({
                "doc": event.doc, "version": event.version, "reads": reads, "schema": (event.schema)(),
            });
            (event.name.to_owned(), about)
        })
        .collect();
    let mut about = json!({
        "doc": A::DOC, "commands": commands, "events": events, "state_schema": schema_written::<A>(),
    });
    if let Some(chart) = chart::<A>() {
        about["chart"] = chart;
    }
    about
}

fn chart<A: Aggregate>() -> Option<Value> {
    let states = A::Chart::STATES;
    if states.is_empty() {
        return None;
    }
    let event_name =
        |rust_name: &str| A::Event::VARIANTS.iter().find(|event| event.variant == rust_name).map(|event| event.name);
    let mut transitions: Vec<Value> = Vec::new();
    for step in A::Chart::MOVES {
        // Two commands may lead to the same event; the chart shows the move once.
        if let Some(event) = event_name(step.event) {
            let transition = json!({ "from": step.from, "event": event, "to": step.to });
            if !transitions.contains(&transition) {
                transitions.push(transition);
            }
        }
    }
    let start = A::default();
    let initial = start.chart().name();
    let mut chart = json!({ "initial": initial, "states": states, "transitions": transitions });
    // Only when the JSON of the state shows it: serde attributes may write the field under another name, or not at all.
    if serde_json::to_value(&start).is_ok_and(|shown| shown[A::CHART_FIELD] == initial) {
        chart["field"] = A::CHART_FIELD.into();
    }
    Some(chart)
}

pub(crate) fn projection<P: Projection>() -> Value {
    let mut projection = json!({ "doc": P::DOC, "schema": schema_written::<P>() });
    if P::IS_PER_AGGREGATE {
        projection["per_aggregate"] = P::Event::AGGREGATES.into();
    }
    projection
}
