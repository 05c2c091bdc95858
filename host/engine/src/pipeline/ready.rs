//! States of a revision that is about to become active, built beside the workers that will own them: at the switch a worker goes on with
//! them, instead of building thousands anew while their callers wait. They come from the journal like all states; what was
//! recorded since they were built is folded in when they are asked for.

use std::sync::{Arc, Mutex, PoisonError};

use polder_core::{AggregateId, AggregateName, DomainName, Limits, Position, Sequence, TenantName};
use polder_journal::{AggregateKey, ReadError, Reader};

use super::conduct::slice_of;
use super::seat::is_nearly_full;
use super::snapshots;
use super::warm::{Warm, WarmStates};
use super::{EVENTS_PER_CALL, FoldError, Wanted, fold_history, worker_of};
use crate::rules::{Rules, RulesInstance};
use crate::stretch::{Group, groups};

/// History read at a time, in bytes.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// So few events may be missing in the end: they take less time than a caller notices.
const EVENTS_BEHIND_MAX: u64 = 200;
/// Should events come as fast as they are folded in.
const ROUNDS_MAX: usize = 20;

/// By worker. Each takes its own once.
#[derive(Default)]
pub(crate) struct Ready(Vec<Mutex<Option<ReadySeat>>>);

pub(super) struct ReadySeat {
    pub(super) limits: Limits,
    pub(super) instance: Box<dyn RulesInstance>,
    pub(super) states: WarmStates,
}

impl Ready {
    pub(super) fn take(&self, worker: usize) -> Option<ReadySeat> {
        self.0.get(worker)?.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
impl Ready {
    /// Where the state stands, and its bytes.
    pub(crate) fn saved(&self, worker: usize, key: AggregateKey) -> Option<(Sequence, Vec<u8>)> {
        let mut seat = self.0[worker].lock().unwrap();
        let ReadySeat { instance, states, .. } = seat.as_mut()?;
        let warm = states.take(key)?;
        assert!(warm.is_behind, "more may be recorded until it is used");
        Some((warm.sequence, instance.save(&warm.state).unwrap()))
    }
}

pub(crate) struct MakeReady {
    reader: Reader,
    tenant: TenantName,
    domain: DomainName,
    rules: Arc<dyn Rules>,
    limits: Limits,
    seats: Vec<Making>,
    /// What was recorded until here is in every state.
    position: Position,
    failed: Vec<AggregateKey>,
}

enum Making {
    NotBegun,
    Begun(ReadySeat),
    /// Its instance ended: its states are built when they are asked for.
    GivenUp,
}

impl MakeReady {
    pub(crate) fn new(
        reader: Reader,
        (tenant, domain): (TenantName, DomainName),
        rules: Arc<dyn Rules>,
        limits: &Limits,
        worker_count: usize,
    ) -> Self {
        let seats = (0..worker_count).map(|_| Making::NotBegun).collect();
        let position = reader.last_position(&tenant);
        Self { reader, tenant, domain, rules, limits: slice_of(limits), seats, position, failed: Vec::new() }
    }

    /// Builds the aggregate's state, if there is room for it.
    pub(crate) fn add(&mut self, key: AggregateKey) -> Result<(), ReadError> {
        let worker = worker_of(key, self.seats.len());
        let added = self.try_add(worker, key);
        self.note(worker, key, added)
    }

    /// Folds in what was recorded since they were built, until next to nothing is missing.
    pub(crate) fn catch_up(&mut self) -> Result<(), ReadError> {
        for _ in 0..ROUNDS_MAX {
            let behind = self.reader.last_position(&self.tenant).0 - self.position.0;
            if behind <= EVENTS_BEHIND_MAX {
                break;
            }
            let batch = self.reader.tenant_batch(&self.tenant, self.position, READ_BYTES)?;
            for group in groups(&batch, self.domain.as_str(), self.position, |_| true) {
                let worker = worker_of(group.key, self.seats.len());
                match &mut self.seats[worker] {
                    Making::Begun(seat) if seat.states.holds(group.key) => {
                        let folded = seat.fold(&group);
                        self.note(worker, group.key, folded)?;
                    }
                    _ => self.add(group.key)?,
                }
            }
            self.position = batch.last();
        }
        Ok(())
    }

    /// Over which the guest failed since this was asked last.
    pub(crate) fn take_failed(&mut self) -> Vec<AggregateKey> {
        std::mem::take(&mut self.failed)
    }

    fn try_add(&mut self, worker: usize, key: AggregateKey) -> Result<(), FoldError> {
        if matches!(self.seats[worker], Making::NotBegun) {
            self.seats[worker] = Making::Begun(ReadySeat {
                limits: self.limits,
                instance: self.rules.instantiate(&self.limits)?,
                states: WarmStates::new(self.rules.revision()),
            });
        }
        let Making::Begun(seat) = &mut self.seats[worker] else { return Ok(()) };
        seat.add(&self.reader, key)
    }

    fn note(&mut self, worker: usize, key: AggregateKey, folded: Result<(), FoldError>) -> Result<(), ReadError> {
        let error = match folded {
            Ok(()) => return Ok(()),
            Err(FoldError::Journal(error)) => return Err(error),
            Err(error) => error,
        };
        tracing::warn!(%error, "a state could not be made ready for a switch; it is built when it is asked for");
        if matches!(&error, FoldError::Call(error) if error.instance_lost) {
            self.seats[worker] = Making::GivenUp;
        }
        self.failed.push(key);
        Ok(())
    }

    pub(crate) fn finish(self) -> Ready {
        let finished = |making| match making {
            Making::Begun(seat) => Mutex::new(Some(seat)),
            Making::NotBegun | Making::GivenUp => Mutex::default(),
        };
        Ready(self.seats.into_iter().map(finished).collect())
    }
}

impl ReadySeat {
    fn add(&mut self, reader: &Reader, key: AggregateKey) -> Result<(), FoldError> {
        if self.states.len() as u64 >= self.limits.warm_states_max || is_nearly_full(&*self.instance, &self.limits) {
            return Ok(());
        }
        let Some(last) = reader.last_of(key)? else { return Ok(()) };
        let names = (AggregateName::new(last.view().aggregate()), AggregateId::new(last.view().aggregate_id()));
        let (Ok(aggregate), Ok(id)) = names else { return Ok(()) };
        let revision = self.states.revision;
        let wanted = Wanted { key, aggregate: &aggregate, id: &id, revision: &revision };
        let folded = fold_history(&mut *self.instance, reader, wanted, Sequence(u64::MAX))?;
        let mut warm = Warm { is_behind: true, ..Warm::from(folded) };
        if snapshots::due_when_leaving(&warm) {
            let bytes_max = self.limits.state_bytes_max;
            snapshots::save(&mut *self.instance, reader, &revision, key, &mut warm, bytes_max)?;
        }
        self.states.put(key, warm);
        Ok(())
    }

    /// Events that follow those in the state; others are for its worker to find.
    fn fold(&mut self, group: &Group<'_>) -> Result<(), FoldError> {
        let Some(mut warm) = self.states.take(group.key) else { return Ok(()) };
        let known = group.events.partition_point(|event| event.sequence <= warm.sequence.0);
        let events = &group.events[known..];
        if events.first().is_some_and(|event| event.sequence == warm.sequence.0 + 1) {
            for chunk in events.chunks(EVENTS_PER_CALL) {
                warm.state = self.instance.evolve(warm.state, chunk)?;
            }
            (warm.sequence, warm.head) = (group.sequence, group.head);
        }
        self.states.put(group.key, warm);
        Ok(())
    }
}
