//! Checks the size of a descriptor against all limits, in one pass.

use std::io::{self, Write};

use serde_json::Value;

use super::error::DescriptorError;
use super::{AggregateDescriptor, Descriptor, StateChart};
use crate::AggregateName;
use crate::descriptor_limits::{
    AGGREGATES, CHART_NAME_BYTES, CHART_STATES, CHART_TRANSITIONS, COMMANDS, DOC_BYTES, DescriptorLimit,
    EVENT_VERSIONS, EVENTS, PROJECTED_AGGREGATES, PROJECTIONS, SCHEMA_BYTES,
};

pub(crate) fn check_size(descriptor: &Descriptor) -> Result<(), DescriptorError> {
    let domain = || "the domain".to_owned();
    AGGREGATES.check(descriptor.aggregates.len(), domain)?;
    PROJECTIONS.check(descriptor.projections.len(), domain)?;
    for (name, aggregate) in &descriptor.aggregates {
        check_aggregate(name, aggregate)?;
    }
    for (name, projection) in &descriptor.projections {
        let part = || format!("projection {name:?}");
        let followed = projection.per_aggregate.as_ref().map_or(0, Vec::len);
        PROJECTED_AGGREGATES.check(followed, part)?;
        check_words(&projection.doc, &projection.schema, part)?;
    }
    Ok(())
}

fn check_aggregate(name: &AggregateName, aggregate: &AggregateDescriptor) -> Result<(), DescriptorError> {
    let part = || format!("aggregate {name:?}");
    COMMANDS.check(aggregate.commands.len(), part)?;
    EVENTS.check(aggregate.events.len(), part)?;
    check_words(&aggregate.doc, &aggregate.state_schema, part)?;
    for (command, described) in &aggregate.commands {
        check_words(&described.doc, &described.schema, || format!("command {command:?} of aggregate {name:?}"))?;
    }
    for (event, described) in &aggregate.events {
        let part = || format!("event {event:?} of aggregate {name:?}");
        EVENT_VERSIONS.check(described.reads.len(), part)?;
        check_words(&described.doc, &described.schema, part)?;
    }
    aggregate.chart.as_ref().map_or(Ok(()), |chart| check_chart(chart, part))
}

fn check_chart(chart: &StateChart, part: impl Fn() -> String) -> Result<(), DescriptorError> {
    CHART_STATES.check(chart.states.len(), &part)?;
    CHART_TRANSITIONS.check(chart.transitions.len(), &part)?;
    let ends = chart.transitions.iter().flat_map(|transition| [&transition.from, &transition.to]);
    let names = chart.states.iter().chain(&chart.field).chain([&chart.initial]).chain(ends);
    names.map(String::len).try_for_each(|bytes| CHART_NAME_BYTES.check(bytes, &part))
}

fn check_words(doc: &str, schema: &Value, part: impl Fn() -> String) -> Result<(), DescriptorError> {
    DOC_BYTES.check(doc.len(), &part)?;
    SCHEMA_BYTES.check(json_bytes(schema), &part)
}

impl DescriptorLimit {
    /// Fails if `found` exceeds the limit. `part` names the part of the descriptor, for the message.
    pub(crate) fn check(self, found: usize, part: impl FnOnce() -> String) -> Result<(), DescriptorError> {
        let found = found as u64;
        if found <= self.max {
            return Ok(());
        }
        Err(DescriptorError::Limit { part: part(), found, limit: self })
    }
}

/// Length of the value as JSON text.
fn json_bytes(value: &Value) -> usize {
    let mut counter = Counter(0);
    // The writer cannot fail, and a JSON value has string keys only, so serialization cannot fail either.
    serde_json::to_writer(&mut counter, value).map_or(usize::MAX, |()| counter.0)
}

struct Counter(usize);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
