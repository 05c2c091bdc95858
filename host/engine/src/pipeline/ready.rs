//! States of a revision that is about to become active, built beside the workers that will own them: at the switch a worker goes on with
//! them, instead of building thousands anew while their callers wait. They come from the journal like all states; what was
//! recorded since they were built is folded in when they are asked for.

use std::sync::{Arc, Mutex, PoisonError};

use polder_core::{AggregateId, AggregateName, Limits, Sequence};
use polder_journal::{AggregateKey, Reader};

use super::conduct::slice_of;
use super::seat::{catch_up, is_nearly_full};
use super::snapshots;
use super::warm::{Warm, WarmStates};
use super::{FoldError, Wanted, fold_history, worker_of};
use crate::rules::{Rules, RulesInstance};

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
    rules: Arc<dyn Rules>,
    limits: Limits,
    seats: Vec<Making>,
}

enum Making {
    NotBegun,
    Begun(ReadySeat),
    /// Its instance ended: its states are built when they are asked for.
    GivenUp,
}

impl MakeReady {
    pub(crate) fn new(reader: Reader, rules: Arc<dyn Rules>, limits: &Limits, worker_count: usize) -> Self {
        let seats = (0..worker_count).map(|_| Making::NotBegun).collect();
        Self { reader, rules, limits: slice_of(limits), seats }
    }

    /// Builds the aggregate's state, if there is room for it; or folds in what was recorded since.
    pub(crate) fn add(&mut self, key: AggregateKey) -> Result<(), FoldError> {
        let worker = worker_of(key, self.seats.len());
        if matches!(self.seats[worker], Making::NotBegun) {
            self.seats[worker] = Making::Begun(ReadySeat {
                limits: self.limits,
                instance: self.rules.instantiate(&self.limits)?,
                states: WarmStates::new(self.rules.revision()),
            });
        }
        let Making::Begun(seat) = &mut self.seats[worker] else { return Ok(()) };
        let folded = seat.add(&self.reader, key);
        if folded.as_ref().is_err_and(|error| matches!(error, FoldError::Call(error) if error.instance_lost)) {
            self.seats[worker] = Making::GivenUp;
        }
        folded
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
        if let Some(warm) = self.states.take(key) {
            let warm = catch_up(&mut *self.instance, reader, key, warm)?;
            self.states.put(key, Warm { is_behind: true, ..warm });
            return Ok(());
        }
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
}
