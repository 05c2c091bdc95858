//! A descriptor in the form that calls need: its names can be found quickly, and are already checked.

use std::collections::BTreeMap;

use polder_core::{Descriptor, EventName};

use crate::lost_numbers::Numbers;

pub(crate) struct Catalog {
    aggregates: Vec<AggregateEvents>,
    documents: Vec<(String, Numbers)>,
}

/// The events of one type of aggregate.
pub(crate) struct AggregateEvents {
    aggregate: String,
    events: BTreeMap<EventName, KnownEvent>,
    pub(crate) state: Numbers,
}

struct KnownEvent {
    /// The version of new events.
    version: u32,
    numbers: Numbers,
}

impl Catalog {
    pub(crate) fn new(descriptor: &Descriptor) -> Self {
        let events = |(name, aggregate): (&polder_core::AggregateName, &polder_core::AggregateDescriptor)| {
            let known = |event: &polder_core::EventDescriptor| KnownEvent {
                version: event.version,
                numbers: Numbers::of(&event.schema),
            };
            let events = aggregate.events.iter().map(|(name, event)| (name.clone(), known(event))).collect();
            AggregateEvents { aggregate: name.to_string(), events, state: Numbers::of(&aggregate.state_schema) }
        };
        let documents = descriptor.projections.iter();
        Self {
            aggregates: descriptor.aggregates.iter().map(events).collect(),
            documents: documents.map(|(name, about)| (name.to_string(), Numbers::of(&about.schema))).collect(),
        }
    }

    pub(crate) fn find(&self, aggregate: &str) -> Option<usize> {
        self.aggregates.iter().position(|events| events.aggregate == aggregate)
    }

    pub(crate) fn events(&self, index: usize) -> &AggregateEvents {
        &self.aggregates[index]
    }

    /// `None` for a projection that the descriptor does not list. The guest is called for it even so.
    pub(crate) fn find_projection(&self, projection: &str) -> Option<usize> {
        self.documents.iter().position(|(name, _)| name == projection)
    }

    pub(crate) fn documents(&self, index: Option<usize>) -> &Numbers {
        const NONE: &Numbers = &Numbers::NONE;
        index.map_or(NONE, |index| &self.documents[index].1)
    }
}

impl AggregateEvents {
    /// The event's name as a type, with the places of its numbers; or why such an event cannot be recorded.
    pub(crate) fn check(&self, name: &str, version: u32) -> Result<(EventName, &Numbers), String> {
        match self.events.get_key_value(name) {
            Some((name, known)) if known.version == version => Ok((name.clone(), &known.numbers)),
            Some((name, known)) => Err(format!(
                "it returned event {name} in version {version}; its descriptor says that new ones get version {}",
                known.version
            )),
            None => Err(format!(
                "it returned event {name:.80?}, which its descriptor does not list for aggregate {}",
                self.aggregate
            )),
        }
    }
}
