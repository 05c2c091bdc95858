//! Knows from a descriptor which events a revision can read. A view stops before the first event that it cannot read;
//! the view of a later revision, which is being built beside it, can read it. Pure.

use std::collections::HashMap;

use polder_core::{AggregateName, Descriptor, ProjectionName};

#[derive(Debug, Default)]
pub(super) struct Readable {
    /// Versions, by aggregate type and event name.
    versions: HashMap<String, HashMap<String, Vec<u32>>>,
    /// The aggregate types that the projection reads; `None` if only the component knows them.
    aggregates: Option<Vec<AggregateName>>,
}

impl Readable {
    pub(super) fn new(descriptor: &Descriptor, projection: &ProjectionName) -> Self {
        let events = |(name, aggregate): (&AggregateName, &polder_core::AggregateDescriptor)| {
            let versions = aggregate.events.iter().map(|(event, known)| (event.to_string(), known.reads.clone()));
            (name.to_string(), versions.collect())
        };
        let versions = descriptor.aggregates.iter().map(events).collect();
        let aggregates = descriptor.projections.get(projection).and_then(|known| known.per_aggregate.clone());
        Self { versions, aggregates }
    }

    /// Whether the projection can read the event. This is also `true` for an event that the projection ignores.
    pub(super) fn can_read(&self, aggregate: &str, event: &str, version: u32) -> bool {
        let is_passed_over =
            self.aggregates.as_ref().is_some_and(|read| !read.iter().any(|name| name.as_str() == aggregate));
        let versions = || self.versions.get(aggregate).and_then(|events| events.get(event));
        is_passed_over || versions().is_some_and(|versions| versions.contains(&version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_reads_the_versions_that_it_lists() {
        let descriptor = Descriptor::parse(
            r#"{"format":1,"domain":"desk","aggregates":{"ticket":{"commands":{},
            "events":{"ticket-taken":{"version":2,"reads":[1,2],"schema":{}}}}},
            "projections":{"open":{"schema":{}},"tickets":{"schema":{},"per_aggregate":["ticket"]}}}"#,
        )
        .unwrap();
        let readable = |projection: &str| Readable::new(&descriptor, &projection.parse().unwrap());
        let cases = [
            ("ticket", "ticket-taken", 1, true, true),
            ("ticket", "ticket-taken", 2, true, true),
            ("ticket", "ticket-taken", 3, false, false),
            ("ticket", "ticket-closed", 1, false, false),
            ("agent", "agent-hired", 1, false, true),
        ];
        for (aggregate, event, version, any, per_aggregate) in cases {
            let can_read = |projection| readable(projection).can_read(aggregate, event, version);
            assert_eq!((can_read("open"), can_read("tickets")), (any, per_aggregate), "{event}@{version}");
        }
    }
}
