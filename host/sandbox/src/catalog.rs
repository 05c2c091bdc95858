//! A descriptor in the form that calls need: names to look up and to hand out again without checking them anew.

use std::collections::BTreeMap;

use polder_core::{Descriptor, EventName};

pub(crate) struct Catalog {
    aggregates: Vec<AggregateEvents>,
}

/// The events of one kind of aggregate, each with the version that new ones get.
pub(crate) struct AggregateEvents {
    aggregate: String,
    versions: BTreeMap<EventName, u32>,
}

impl Catalog {
    pub(crate) fn new(descriptor: &Descriptor) -> Self {
        let events = |(name, aggregate): (&polder_core::AggregateName, &polder_core::AggregateDescriptor)| {
            let versions = aggregate.events.iter().map(|(name, event)| (name.clone(), event.version)).collect();
            AggregateEvents { aggregate: name.to_string(), versions }
        };
        Self { aggregates: descriptor.aggregates.iter().map(events).collect() }
    }

    pub(crate) fn find(&self, aggregate: &str) -> Option<usize> {
        self.aggregates.iter().position(|events| events.aggregate == aggregate)
    }

    pub(crate) fn events(&self, index: usize) -> &AggregateEvents {
        &self.aggregates[index]
    }
}

impl AggregateEvents {
    /// The name as a type, or why such an event cannot be recorded.
    pub(crate) fn check(&self, name: &str, version: u32) -> Result<EventName, String> {
        match self.versions.get_key_value(name) {
            Some((known, newest)) if *newest == version => Ok(known.clone()),
            Some((known, newest)) => Err(format!(
                "it returned event {known} in version {version}; its descriptor says that new ones get version {newest}"
            )),
            None => Err(format!(
                "it returned event {name:.80?}, which its descriptor does not list for aggregate {}",
                self.aggregate
            )),
        }
    }
}
