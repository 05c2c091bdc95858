//! Groups a part of the history by aggregate, so that one guest call folds many events.

use std::collections::HashMap;

use polder_core::{ContentId, Position, Sequence};
use polder_journal::{AggregateKey, BuildDigestHasher, EventView, RecordBuf, RecordView, TenantBatch};
use polder_sandbox::GuestEvent;

/// The events of one aggregate within a part of the history.
pub(crate) struct Group<'a> {
    pub(crate) key: AggregateKey,
    pub(crate) aggregate: &'a str,
    pub(crate) id: &'a str,
    pub(crate) events: Vec<GuestEvent<'a>>,
    /// Sequence of the last event.
    pub(crate) sequence: Sequence,
    pub(crate) head: ContentId,
}

/// The domain's events after a position, grouped by aggregate, in the order of each aggregate's first event.
pub(crate) fn groups<'a>(
    batch: &'a TenantBatch,
    domain: &str,
    after: Position,
    is_wanted: impl Fn(AggregateKey) -> bool,
) -> Vec<Group<'a>> {
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut places: HashMap<AggregateKey, usize, BuildDigestHasher> = HashMap::default();
    for record in batch.records().filter(|record| record.domain() == domain) {
        let key = record.aggregate_key();
        if !is_wanted(key) {
            continue;
        }
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Group::of(key, &record));
            groups.len() - 1
        });
        groups[place].add(&record, |position| position > after);
    }
    groups
}

/// One aggregate's records as a single group, without events beyond a position.
pub(crate) fn group_of(records: &[RecordBuf], until: Position) -> Option<Group<'_>> {
    let first = records.first()?.view();
    let mut group = Group::of(first.aggregate_key(), &first);
    for record in records {
        group.add(&record.view(), |position| position <= until);
    }
    Some(group)
}

/// Converts an event for the guest.
pub(crate) fn guest_event<'a>(record: &RecordView<'a>, event: EventView<'a>) -> GuestEvent<'a> {
    GuestEvent {
        position: event.position.0,
        aggregate: record.aggregate(),
        aggregate_id: record.aggregate_id(),
        sequence: event.sequence.0,
        name: event.name,
        version: event.version,
        payload: event.payload,
        at_ms: record.at_ms().0,
    }
}

impl<'a> Group<'a> {
    fn of(key: AggregateKey, record: &RecordView<'a>) -> Self {
        let (aggregate, id) = (record.aggregate(), record.aggregate_id());
        Self { key, aggregate, id, events: Vec::new(), sequence: Sequence::ZERO, head: ContentId::NONE }
    }

    fn add(&mut self, record: &RecordView<'a>, is_wanted: impl Fn(Position) -> bool) {
        for event in record.events().filter(|event| is_wanted(event.position)) {
            (self.sequence, self.head) = (event.sequence, event.id);
            self.events.push(guest_event(record, event));
        }
    }
}
