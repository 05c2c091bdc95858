//! States of a revision that is about to become active, built outside the workers that will own them. After the switch
//! a worker uses them at once, instead of rebuilding thousands of states while callers wait. They come from the journal
//! like all states; events recorded after they were built are folded in at their first use.

use std::sync::Arc;
use std::time::Duration;

use polder_core::{AggregateId, AggregateName, DomainName, Limits, Position, Sequence, TenantName};
use polder_journal::{AggregateKey, ReadError, Reader};

use super::prepared::{PreparedInstance, PreparedInstances, Reclaimed};
use super::resident::{catch_up, is_nearly_full};
use super::share::share_of;
use super::snapshots;
use super::warm::{Warm, WarmStates};
use super::worker_of::worker_of;
use crate::folding::{EVENTS_PER_CALL, FoldError, Group, Wanted, begin, groups};
use crate::tenancy::{Rules, slice_of};
use crate::throttle::{Pace, SHORT_REST};

/// Bytes of history per read.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Cost of folding one event of an aggregate by indexed reads, in events streamed past.
const ALONE_COSTS: u64 = 8;
/// Events that may be missing when the states are used: folding them takes less time than a caller notices.
const EVENTS_BEHIND_MAX: u64 = 200;
/// Rounds of catching up. The bound matters when events are recorded as fast as they are folded in.
const ROUNDS_MAX: usize = 20;

pub(crate) struct MakeReady {
    reader: Reader,
    tenant: TenantName,
    domain: DomainName,
    rules: Arc<dyn Rules>,
    limits: Limits,
    residents: Vec<Making>,
    /// The position up to which all states are current.
    position: Position,
    failed: Vec<AggregateKey>,
}

/// The events that a state under construction lacks.
#[derive(Clone)]
struct Missing {
    key: AggregateKey,
    events: u64,
    /// The first of them lies behind this position.
    after: Position,
}

enum Making {
    NotBegun,
    Begun(Box<PreparedInstance>),
    /// The instance failed: these states are built at their first use.
    GivenUp,
}

impl MakeReady {
    pub(crate) fn new(
        reader: Reader,
        (tenant, domain): (TenantName, DomainName),
        rules: Arc<dyn Rules>,
        limits: &Limits,
        Reclaimed(reclaimed): Reclaimed,
    ) -> Self {
        let limits = share_of(slice_of(limits), reclaimed.len());
        let mut position = reader.last_position(&tenant);
        let begun = |reclaimed: Option<(PreparedInstance, Position)>| match reclaimed {
            Some((resident, kept_at)) if resident.limits == limits => {
                position = position.min(kept_at);
                Making::Begun(Box::new(resident))
            }
            _ => Making::NotBegun,
        };
        let residents = reclaimed.into_iter().map(begun).collect();
        Self { reader, tenant, domain, rules, limits, residents, position, failed: Vec::new() }
    }

    /// Builds the states of these aggregates, as far as there is room, with pauses for other threads.
    pub(crate) fn build(&mut self, keys: &[AggregateKey], progress: &dyn Fn(usize)) -> Result<(), ReadError> {
        let mut pace = Pace::new(self.reader.clone(), SHORT_REST);
        let (end, mut all_missing) = (self.reader.last_position(&self.tenant), Vec::new());
        for (number, key) in keys.iter().enumerate() {
            pace.rest();
            progress(number);
            if !self.holds(*key) {
                all_missing.extend(self.begin(*key)?);
            }
        }
        let from = where_streaming_pays(&mut all_missing, end);
        for missing in all_missing.iter().take_while(|missing| missing.after < from) {
            pace.rest();
            self.fold_alone(missing.key)?;
        }
        self.position = self.position.min(from);
        while self.position < end {
            self.fold_stretch(&mut pace, false)?;
        }
        self.save_due(&mut pace)?;
        self.catch_up()
    }

    /// Folds in the events recorded since, until at most [`EVENTS_BEHIND_MAX`] are missing.
    pub(crate) fn catch_up(&mut self) -> Result<(), ReadError> {
        let mut pace = Pace::new(self.reader.clone(), Duration::ZERO);
        for _ in 0..ROUNDS_MAX {
            let behind = self.reader.last_position(&self.tenant).0 - self.position.0;
            if behind <= EVENTS_BEHIND_MAX {
                break;
            }
            self.fold_stretch(&mut pace, true)?;
        }
        Ok(())
    }

    /// Reads one part of the history and folds it into the existing states. With `with_others`, also builds the states
    /// of the other aggregates in it.
    fn fold_stretch(&mut self, pace: &mut Pace, with_others: bool) -> Result<(), ReadError> {
        let batch = self.reader.tenant_batch(&self.tenant, self.position, READ_BYTES)?;
        let domain = self.domain.clone();
        for group in groups(&batch, domain.as_str(), self.position, |key| with_others || self.holds(key)) {
            pace.rest();
            if self.holds(group.key) {
                self.with_instance(group.key, |resident, reader, _| resident.fold(reader, &group))?;
            } else if self.begin(group.key)?.is_some() {
                self.fold_alone(group.key)?;
            }
        }
        self.position = batch.last();
        Ok(())
    }

    fn holds(&self, key: AggregateKey) -> bool {
        matches!(&self.residents[worker_of(key, self.residents.len())], Making::Begun(resident) if resident.states.holds(key))
    }

    /// Puts the last snapshot of a state, or its start state, into the instance if there is room. Returns what it
    /// lacks.
    fn begin(&mut self, key: AggregateKey) -> Result<Option<Missing>, ReadError> {
        let worker = worker_of(key, self.residents.len());
        if matches!(self.residents[worker], Making::NotBegun) {
            self.residents[worker] = match self.rules.instantiate(&self.limits) {
                Ok(instance) => Making::Begun(Box::new(PreparedInstance {
                    limits: self.limits,
                    instance,
                    states: WarmStates::new(self.rules.revision()),
                })),
                Err(error) => {
                    tracing::warn!(%error, "no states are made ready for a switch: there is no instance for them");
                    Making::GivenUp
                }
            };
        }
        self.with_instance(key, PreparedInstance::begin)
    }

    /// Folds the rest of the aggregate's history, by indexed reads.
    fn fold_alone(&mut self, key: AggregateKey) -> Result<(), ReadError> {
        self.with_instance(key, PreparedInstance::fold_alone)
    }

    /// Saves states that took long to fold, so that they need not be folded again.
    fn save_due(&mut self, pace: &mut Pace) -> Result<(), ReadError> {
        for number in 0..self.residents.len() {
            let Making::Begun(resident) = &self.residents[number] else { continue };
            for key in resident.states.due_when_leaving() {
                pace.rest();
                self.with_instance(key, PreparedInstance::save)?;
            }
        }
        Ok(())
    }

    /// The aggregates over which the guest failed since the previous call.
    pub(crate) fn take_failed(&mut self) -> Vec<AggregateKey> {
        std::mem::take(&mut self.failed)
    }

    /// Returns only errors of the journal. If the guest fails, fewer states are ready.
    fn with_instance<T: Default>(
        &mut self,
        key: AggregateKey,
        work: impl FnOnce(&mut PreparedInstance, &Reader, AggregateKey) -> Result<T, FoldError>,
    ) -> Result<T, ReadError> {
        let worker = worker_of(key, self.residents.len());
        let Making::Begun(resident) = &mut self.residents[worker] else { return Ok(T::default()) };
        let error = match work(resident, &self.reader, key) {
            Ok(done) => return Ok(done),
            Err(FoldError::Journal(error)) => return Err(error),
            Err(error) => error,
        };
        tracing::warn!(%error, "a state could not be made ready for a switch; it is built when it is asked for");
        if matches!(&error, FoldError::Call(error) if error.instance_lost) {
            self.residents[worker] = Making::GivenUp;
        }
        self.failed.push(key);
        Ok(T::default())
    }

    pub(crate) fn finish(self) -> PreparedInstances {
        let finished = |making| match making {
            Making::Begun(resident) => Some(*resident),
            Making::NotBegun | Making::GivenUp => None,
        };
        PreparedInstances(self.residents.into_iter().map(finished).collect())
    }
}

impl PreparedInstance {
    fn begin(&mut self, reader: &Reader, key: AggregateKey) -> Result<Option<Missing>, FoldError> {
        if self.states.len() as u64 >= self.limits.warm_states_max || is_nearly_full(&*self.instance, &self.limits) {
            return Ok(None);
        }
        let Some(last) = reader.last_of(key)? else { return Ok(None) };
        let names = (AggregateName::new(last.view().aggregate()), AggregateId::new(last.view().aggregate_id()));
        let (Ok(aggregate), Ok(id)) = names else { return Ok(None) };
        let wanted = Wanted { key, aggregate: &aggregate, id: &id, revision: &self.states.revision };
        let begun = begin(&mut *self.instance, reader, wanted, Sequence(u64::MAX))?;
        let events = last.view().sequence().0.saturating_sub(begun.sequence.0);
        let next = reader.history(key, begun.sequence, 1)?;
        self.states.put(key, Warm { is_behind: true, ..Warm::from(begun) });
        Ok(next.first().map(|next| Missing { key, events, after: next.view().position_before() }))
    }

    fn fold_alone(&mut self, reader: &Reader, key: AggregateKey) -> Result<(), FoldError> {
        let Some(warm) = self.states.take(key) else { return Ok(()) };
        let warm = catch_up(&mut *self.instance, reader, key, warm)?;
        self.states.put(key, Warm { is_behind: true, ..warm });
        Ok(())
    }

    fn save(&mut self, reader: &Reader, key: AggregateKey) -> Result<(), FoldError> {
        let Some(mut warm) = self.states.take(key) else { return Ok(()) };
        let (revision, bytes_max) = (self.states.revision, self.limits.state_bytes_max);
        snapshots::save(&mut *self.instance, reader, &revision, key, &mut warm, bytes_max)?;
        self.states.put(key, warm);
        Ok(())
    }

    /// Folds in the events of the group that follow the state. If events between them are missing, reads those too.
    fn fold(&mut self, reader: &Reader, group: &Group<'_>) -> Result<(), FoldError> {
        let Some(mut warm) = self.states.take(group.key) else { return Ok(()) };
        let known = group.events.partition_point(|event| event.sequence <= warm.sequence.0);
        let events = &group.events[known..];
        let Some(first) = events.first() else {
            self.states.put(group.key, warm);
            return Ok(());
        };
        if first.sequence == warm.sequence.0 + 1 {
            for chunk in events.chunks(EVENTS_PER_CALL) {
                warm.state = self.instance.evolve(warm.state, chunk)?;
            }
            (warm.sequence, warm.head) = (group.sequence, group.head);
        } else {
            warm = Warm { is_behind: true, ..catch_up(&mut *self.instance, reader, group.key, warm)? };
        }
        self.states.put(group.key, warm);
        Ok(())
    }
}

/// Chooses the position from which to stream the history. Aggregates whose missing events begin before it are folded
/// one by one; the position minimises the total cost. Sorts `all_missing` by where they begin.
fn where_streaming_pays(all_missing: &mut [Missing], end: Position) -> Position {
    all_missing.sort_unstable_by_key(|missing| missing.after);
    let mut alone = 0;
    let costs = all_missing.iter().map(|missing| {
        let cost = alone * ALONE_COSTS + end.0.saturating_sub(missing.after.0);
        alone += missing.events;
        (cost, missing.after)
    });
    let best = costs.collect::<Vec<_>>().into_iter().min().unwrap_or((u64::MAX, end));
    if alone * ALONE_COSTS < best.0 { end } else { best.1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(after: u64, events: u64) -> Missing {
        Missing { key: AggregateKey([0; 16]), events, after: Position(after) }
    }

    #[test]
    fn events_that_are_close_together_are_streamed() {
        let from = |mut all: Vec<Missing>| where_streaming_pays(&mut all, Position(10_000)).0;
        assert_eq!(from(vec![]), 10_000);
        assert_eq!(
            from(vec![missing(10, 3)]),
            10_000,
            "reading three events by index costs less than streaming ten thousand"
        );
        let mut busy: Vec<_> = (0..100).map(|number| missing(9_000 + number, 9)).collect();
        assert_eq!(from(busy.clone()), 9_000);
        busy.push(missing(10, 20));
        assert_eq!(from(busy.clone()), 9_000, "the old one is folded alone");
        busy.push(missing(11, 5_000));
        assert_eq!(from(busy), 10, "then the old one costs nothing extra");
    }
}
