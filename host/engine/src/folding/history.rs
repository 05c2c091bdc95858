//! Builds a state from the journal: loads the newest snapshot of the revision and folds the events after it.

use polder_core::{AggregateId, AggregateName, ContentId, Revision, Sequence};
use polder_journal::{AggregateKey, Reader, RecordBuf};
use polder_sandbox::{CallError, GuestEvent};

use super::by_aggregate::guest_event;
use crate::tenancy::{RulesInstance, StateSlot};

/// Records per read.
const RECORDS_PER_READ: usize = 1_024;
/// Bytes of records per read. A single record may be larger.
const BYTES_PER_READ: usize = 1024 * 1024;
/// Events that one guest call folds: few enough for a slice of the fast lane.
pub(crate) const EVENTS_PER_CALL: usize = 256;

/// An aggregate and the revision that its state is for.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) key: AggregateKey,
    pub(crate) aggregate: &'a AggregateName,
    pub(crate) id: &'a AggregateId,
    pub(crate) revision: &'a Revision,
}

pub(crate) struct Folded {
    pub(crate) state: StateSlot,
    pub(crate) sequence: Sequence,
    pub(crate) head: ContentId,
    /// Sequence of the snapshot that was used; 0 without one.
    pub(crate) saved: Sequence,
}

/// Why a state could not be built.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    Journal(#[from] polder_journal::ReadError),
    #[error("the journal is damaged: {0}; run `polder verify`")]
    Content(#[from] polder_journal::RecordError),
}

/// Folds the events up to `sequence_max`. Checks each event's content id on the way.
pub(crate) fn fold_history(
    instance: &mut dyn RulesInstance,
    reader: &Reader,
    wanted: Wanted<'_>,
    sequence_max: Sequence,
) -> Result<Folded, FoldError> {
    let folded = begin(instance, reader, wanted, sequence_max)?;
    fold_on(instance, reader, wanted.key, folded, sequence_max)
}

/// Folds all further events up to `sequence_max`.
pub(crate) fn fold_on(
    instance: &mut dyn RulesInstance,
    reader: &Reader,
    key: AggregateKey,
    mut folded: Folded,
    sequence_max: Sequence,
) -> Result<Folded, FoldError> {
    loop {
        let (further, is_end) = fold_part(instance, reader, key, folded, sequence_max)?;
        if is_end {
            return Ok(further);
        }
        folded = further;
    }
}

/// Folds the next part of the further events. Also returns whether no events are left.
pub(crate) fn fold_part(
    instance: &mut dyn RulesInstance,
    reader: &Reader,
    key: AggregateKey,
    mut folded: Folded,
    sequence_max: Sequence,
) -> Result<(Folded, bool), FoldError> {
    let part = reader.history_part(key, folded.sequence, RECORDS_PER_READ, BYTES_PER_READ)?;
    for record in &part.records {
        folded.head = record.view().check_content(&folded.head)?;
    }
    let events = wanted_events(&part.records, sequence_max);
    let has_ended = events.len() < part.records.iter().map(|record| record.view().event_count() as usize).sum();
    for chunk in events.chunks(EVENTS_PER_CALL) {
        folded.state = instance.evolve(folded.state, chunk)?;
    }
    if let Some(last) = events.last() {
        folded.sequence = Sequence(last.sequence);
    }
    Ok((folded, has_ended || part.is_end))
}

/// Loads the newest snapshot, or the start state.
pub(crate) fn begin(
    instance: &mut dyn RulesInstance,
    reader: &Reader,
    wanted: Wanted<'_>,
    sequence_max: Sequence,
) -> Result<Folded, FoldError> {
    let (aggregate, id) = (wanted.aggregate.as_str(), wanted.id.as_str());
    if let Some(snapshot) = reader.snapshot(wanted.key, wanted.revision)?
        && snapshot.sequence <= sequence_max
    {
        let state = instance.load(aggregate, id, &snapshot.state)?;
        let saved = snapshot.sequence;
        return Ok(Folded { state, sequence: saved, head: snapshot.head, saved });
    }
    let state = instance.start(aggregate, id)?;
    Ok(Folded { state, sequence: Sequence::ZERO, head: ContentId::NONE, saved: Sequence::ZERO })
}

fn wanted_events(records: &[RecordBuf], sequence_max: Sequence) -> Vec<GuestEvent<'_>> {
    let mut events = Vec::with_capacity(records.len());
    for record in records {
        let view = record.view();
        for event in view.events() {
            if event.sequence > sequence_max {
                return events;
            }
            events.push(guest_event(&view, event));
        }
    }
    events
}
