//! Saves states by a revision that is about to become active, so that the worker finds them when it does. A shortcut like every
//! snapshot: what is not prepared is folded from the journal.

use polder_core::{AggregateId, AggregateName, ContentId, Limits, Revision, Sequence};
use polder_journal::{AggregateKey, Reader, Snapshot};

use super::{FoldError, Wanted, fold_history};
use crate::rules::RulesInstance;

/// A state is prepared when at least this many events happened since its last snapshot: after a switch many are asked for at
/// once, and each event that is still to be folded is read by itself.
const PREPARED_EVENTS_MIN: u64 = 16;

pub(crate) struct Prepare {
    reader: Reader,
    revision: Revision,
    limits: Limits,
}

impl Prepare {
    pub(crate) fn new(reader: Reader, revision: Revision, limits: Limits) -> Self {
        Self { reader, revision, limits }
    }

    /// `events`: how many the aggregate has.
    pub(crate) fn is_due(&self, key: AggregateKey, events: u64) -> bool {
        let saved = || self.reader.snapshot(key, &self.revision).ok().flatten().map_or(0, |saved| saved.sequence.0);
        events >= PREPARED_EVENTS_MIN && events.saturating_sub(saved()) >= PREPARED_EVENTS_MIN
    }

    /// Builds the state from what there is, and saves it.
    pub(crate) fn fold(&self, instance: &mut dyn RulesInstance, key: AggregateKey) -> Result<(), FoldError> {
        let Some(last) = self.reader.last_of(key)? else { return Ok(()) };
        let names = (AggregateName::new(last.view().aggregate()), AggregateId::new(last.view().aggregate_id()));
        let (Ok(aggregate), Ok(id)) = names else { return Ok(()) };
        let wanted = Wanted { key, aggregate: &aggregate, id: &id, revision: &self.revision };
        let folded = fold_history(instance, &self.reader, wanted, Sequence(u64::MAX))?;
        let state = instance.save(&folded.state)?;
        instance.discard(folded.state)?;
        self.put(key, (folded.sequence, folded.head, state))
    }

    pub(crate) fn put(&self, key: AggregateKey, saved: (Sequence, ContentId, Vec<u8>)) -> Result<(), FoldError> {
        let (sequence, head, state) = saved;
        if state.len() as u64 <= self.limits.state_bytes_max {
            self.reader.put_snapshot(key, &self.revision, &Snapshot { sequence, head, state })?;
        }
        Ok(())
    }
}
