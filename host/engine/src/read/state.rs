//! An aggregate's state, at present or at an earlier time. It is folded from the journal in an instance of its own: on
//! the fast lane with a slice of the tenant's limits, on the slow lane with all of them, part by part.

use std::sync::Arc;

use polder_core::{Limits, MemoryReservation, Sequence, TimestampMs};
use polder_journal::Reader;
use polder_sandbox::CallError;
use serde_json::value::RawValue;

use super::aggregate_address::AggregateAddress;
use super::answers::{AsOf, StateAnswer};
use super::lane_readers::LaneReaders;
use super::read_error::{ReadError, damaged, storage};
use super::time_slice::{ReadStop, ReadTurn};
use crate::folding::{FoldError, Folded, Wanted, begin, fold_part};
use crate::tenancy::{Active, RulesInstance, overran_slice};

/// One read of a state, with its progress.
pub(super) struct StateRead {
    readers: LaneReaders,
    active: Arc<Active>,
    as_of: AsOf,
    /// The sequence up to which events are folded. `None` before the first turn.
    sequence_max: Option<Sequence>,
    folding: Option<Folding>,
}

/// The progress of folding. The instance has the limits of the lane that it was made on.
struct Folding {
    instance: Box<dyn RulesInstance>,
    is_slow: bool,
    folded: Folded,
    is_end: bool,
}

impl StateRead {
    pub(super) fn new(readers: LaneReaders, active: Arc<Active>, as_of: AsOf) -> Self {
        Self { readers, active, as_of, sequence_max: None, folding: None }
    }

    /// Continues the read for one turn.
    pub(super) fn turn(
        &mut self,
        turn: &ReadTurn<'_>,
        address: &AggregateAddress<'_>,
    ) -> Result<StateAnswer, ReadStop> {
        let answer = self.go_on(turn, address);
        if answer.is_err() && !turn.is_slow() {
            // The slow lane starts again, with the full limits.
            self.folding = None;
        }
        answer
    }

    fn go_on(&mut self, turn: &ReadTurn<'_>, address: &AggregateAddress<'_>) -> Result<StateAnswer, ReadStop> {
        let sequence_max = match self.sequence_max {
            Some(sequence_max) => sequence_max,
            None => *self.sequence_max.insert(self.find_sequence(turn, address)?),
        };
        let limits = address.tenant.limits();
        let mut folding = match self.folding.take().filter(|folding| folding.is_slow == turn.is_slow()) {
            Some(folding) => folding,
            None => self.begin(turn, address, &limits, sequence_max)?,
        };
        while !folding.is_end {
            if let Err(stop) = turn.check() {
                self.folding = Some(folding);
                return Err(stop);
            }
            let Folding { mut instance, is_slow, folded, .. } = folding;
            let part = fold_part(&mut *instance, self.readers.of(turn), address.key(), folded, sequence_max);
            let (folded, is_end) = part.map_err(|error| self.stopped(error, address, &limits, turn))?;
            folding = Folding { instance, is_slow, folded, is_end };
        }
        let Folding { mut instance, folded, .. } = folding;
        let state = instance.inspect(&folded.state).map_err(|error| self.failed(&error, address, &limits, turn))?;
        // The memory is reserved before the answer is copied or sent, and while the guest's memory is still reserved
        // too.
        let reserved = reserve(turn, state.len())?;
        drop(instance);
        let state = RawValue::from_string(state)
            .map_err(|error| self.fault(address, format!("inspect gave no JSON: {error}")))?;
        let at_ms = time_of(self.readers.of(turn), address, folded.sequence)?;
        let (sequence, revision) = (folded.sequence, self.active.revision);
        Ok(StateAnswer { sequence, revision, at_ms, state, reserved: Some(reserved) })
    }

    fn begin(
        &self,
        turn: &ReadTurn<'_>,
        address: &AggregateAddress<'_>,
        limits: &Limits,
        sequence_max: Sequence,
    ) -> Result<Folding, ReadStop> {
        let failed = |error: CallError| self.failed(&error, address, limits, turn);
        let mut instance = self.active.rules.instantiate(&turn.allowance(limits)).map_err(failed)?;
        instance.end_when(turn.gone());
        let wanted = Wanted {
            key: address.key(),
            aggregate: address.aggregate,
            id: address.id,
            revision: &self.active.revision,
        };
        let folded = begin(&mut *instance, self.readers.of(turn), wanted, sequence_max);
        let folded = folded.map_err(|error| self.stopped(error, address, limits, turn))?;
        Ok(Folding { instance, is_slow: turn.is_slow(), folded, is_end: false })
    }

    fn find_sequence(&self, turn: &ReadTurn<'_>, address: &AggregateAddress<'_>) -> Result<Sequence, ReadStop> {
        let newest =
            self.readers.of(turn).last_of(address.key()).map_err(storage)?.ok_or_else(|| address.missing(""))?;
        let newest = newest.view().sequence();
        match self.as_of {
            AsOf::Sequence(sequence) if sequence > newest || sequence == Sequence::ZERO => {
                let (aggregate, id) = (address.aggregate.clone(), address.id.clone());
                Err(ReadError::NoSuchSequence { aggregate, id, asked: sequence, newest }.into())
            }
            AsOf::Sequence(sequence) => Ok(sequence),
            AsOf::Time(time) => sequence_at(self.readers.of(turn), turn, address, newest, time),
            AsOf::Now => Ok(newest),
        }
    }

    fn stopped(
        &self,
        error: FoldError,
        address: &AggregateAddress<'_>,
        limits: &Limits,
        turn: &ReadTurn<'_>,
    ) -> ReadStop {
        match error {
            FoldError::Call(error) => self.failed(&error, address, limits, turn),
            FoldError::Journal(error) => storage(error).into(),
            FoldError::Content(error) => damaged(error).into(),
        }
    }

    fn failed(
        &self,
        error: &CallError,
        address: &AggregateAddress<'_>,
        limits: &Limits,
        turn: &ReadTurn<'_>,
    ) -> ReadStop {
        if let Some(exhausted) = error.host_memory() {
            return ReadError::MemoryExhausted(exhausted.clone()).into();
        }
        if turn.is_gone() {
            return ReadStop::Gone;
        }
        if !turn.is_slow() && overran_slice(&error.kind, limits) {
            return ReadStop::NextTurn;
        }
        let reason = error.to_string();
        address.tenant.notes.log_failure(address.domain, self.active.revision, &reason);
        self.fault(address, reason).into()
    }

    fn fault(&self, address: &AggregateAddress<'_>, reason: String) -> ReadError {
        ReadError::GuestFault { domain: address.domain.clone(), revision: self.active.revision, reason }
    }
}

/// Reserves memory for the state and for its serialized text.
fn reserve(turn: &ReadTurn<'_>, bytes: usize) -> Result<MemoryReservation, ReadError> {
    turn.reserve(2 * bytes as u64)
}

/// The aggregate's last event that was recorded at `time` or before. A bisection finds it, because times never
/// decrease.
fn sequence_at(
    reader: &Reader,
    turn: &ReadTurn<'_>,
    address: &AggregateAddress<'_>,
    newest: Sequence,
    time: TimestampMs,
) -> Result<Sequence, ReadStop> {
    // Everything up to `at` was recorded by that time, and nothing after `until`.
    let (mut at, mut until) = (Sequence::ZERO, newest);
    while at < until {
        turn.check()?;
        let middle = Sequence(at.0 + (until.0 - at.0) / 2);
        let records = reader.history(address.key(), middle, 1).map_err(storage)?;
        let Some(record) = records.first() else { break };
        let view = record.view();
        if view.at_ms() <= time {
            at = view.sequence();
        } else {
            until = view.sequence_before();
        }
    }
    if at == Sequence::ZERO { Err(address.missing(" by then").into()) } else { Ok(at) }
}

fn time_of(reader: &Reader, address: &AggregateAddress<'_>, sequence: Sequence) -> Result<TimestampMs, ReadError> {
    let before = Sequence(sequence.0.saturating_sub(1));
    let records = reader.history(address.key(), before, 1).map_err(storage)?;
    Ok(records.first().map(|record| record.view().at_ms()).unwrap_or_default())
}
