//! One part of the aggregates that a replay folds and compares. An aggregate always belongs to the same part, and each
//! part has its own instances, so that the parts run in parallel. When the states do not all fit into memory, the part
//! takes its aggregates in several passes. Each pass streams the history once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use polder_core::{Position, Sequence};
use polder_journal::{AggregateKey, BuildDigestHasher, TenantBatch};
use polder_sandbox::CallError;
use serde_json::Value;

use super::charts::LostStates;
use super::check_error::CheckError;
use super::difference::{Difference, changes};
use super::findings::Findings;
use super::inventory::number_of;
use super::side::Side;
use super::subject::{Stop, Subject};
use super::verdict::{CheckRefusal, EventPlace};
use crate::folding::{Group, group_of, groups};
use crate::tenancy::Rules;
use crate::throttle::{Pace, SHORT_REST};

/// Records of one aggregate per read.
const RECORDS_PER_READ: usize = 1_024;
/// Percentage of a guest's memory that the states of all parts together may fill.
const MEMORY_PERCENT_MAX: u64 = 75;
/// States held at a time in all parts together: well below the number of handles that an instance may give out.
const STATES_MAX: usize = 200_000;
/// When the old revision's instance has failed over this many aggregates, it is not used any more.
const OLD_ENDED_MAX: usize = 8;

pub(super) struct Part {
    subject: Arc<Subject>,
    number: usize,
    /// Number of all parts.
    count: usize,
    old: Option<Side>,
    new: Side,
    lost_states: Arc<LostStates>,
    pace: Pace,
    /// The aggregates of the current pass; `None` when all aggregates have been processed.
    turn: Option<Turn>,
    /// Whether states were lost that the pass needs.
    is_spoilt: bool,
    held: HashMap<AggregateKey, Held, BuildDigestHasher>,
    /// The held aggregates that were not compared since their last event, in order.
    touched: Vec<AggregateKey>,
    old_ended: usize,
    /// Memory of the fuller guest after states were last discarded. Guest memory does not shrink, but it is reused.
    memory_bytes_narrowed: u64,
    findings: Findings,
}

/// What is known of an aggregate while its state is in memory.
struct Held {
    aggregate: String,
    id: String,
    sequence: Sequence,
    position: Position,
    is_touched: bool,
}

/// The reason why a pass cannot continue.
enum Trouble {
    Stop(Stop),
    /// States were lost that the pass needs: start it again.
    Again,
    /// The guest cannot hold this many states at once.
    Full,
}

impl<E: Into<Stop>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Stop(error.into())
    }
}

/// The aggregates of one pass, as a range of [`number_of`].
#[derive(Clone, Copy)]
struct Turn {
    first: u64,
    /// The exclusive end; `None` for no end.
    end: Option<u64>,
}

impl Turn {
    fn holds(self, key: AggregateKey) -> bool {
        let number = number_of(key);
        number >= self.first && self.end.is_none_or(|end| number < end)
    }
}

impl Part {
    pub(super) fn new(subject: &Arc<Subject>, lost_states: &Arc<LostStates>, (number, count): (usize, usize)) -> Self {
        let side = |rules: &Arc<dyn Rules>| Side::new(Arc::clone(rules), subject.limits);
        Self {
            number,
            count,
            old: subject.old.as_ref().map(side),
            new: side(&subject.new),
            lost_states: Arc::clone(lost_states),
            pace: Pace::new(subject.reader.clone(), SHORT_REST * count as u32),
            turn: Some(Turn { first: 0, end: None }),
            is_spoilt: false,
            held: HashMap::default(),
            touched: Vec::new(),
            old_ended: 0,
            memory_bytes_narrowed: 0,
            findings: Findings::default(),
            subject: Arc::clone(subject),
        }
    }

    pub(super) fn findings(&self) -> &Findings {
        &self.findings
    }

    pub(super) fn owns(&self, key: AggregateKey) -> bool {
        number_of(key) as usize % self.count == self.number
    }

    /// Whether there are aggregates that were not processed yet.
    pub(super) fn has_turn(&self) -> bool {
        self.turn.is_some()
    }

    /// Folds the events after a position into the aggregates of the pass. The pass is narrowed when there are too many
    /// states.
    pub(super) fn fold_stretch(&mut self, batch: &TenantBatch, after: Position) -> Result<(), Stop> {
        let Some(mut turn) = self.turn.filter(|_| !self.is_spoilt) else { return Ok(()) };
        self.go_on()?;
        let folded = self.try_fold_stretch(&mut turn, batch, after);
        match folded {
            Ok(()) => {}
            Err(Trouble::Again) => self.spoil(),
            Err(Trouble::Full) => {
                self.narrow(&mut turn);
                self.spoil();
            }
            Err(Trouble::Stop(stop)) => return Err(stop),
        }
        self.turn = Some(turn);
        Ok(())
    }

    fn try_fold_stretch(&mut self, turn: &mut Turn, batch: &TenantBatch, after: Position) -> Result<(), Trouble> {
        let subject = Arc::clone(&self.subject);
        for group in groups(batch, subject.domain.as_str(), after, |key| self.owns(key) && turn.holds(key)) {
            // The pass may have been narrowed since.
            if turn.holds(group.key) {
                self.pace.rest();
                self.fold(&group)?;
                if self.is_full() {
                    self.narrow(turn);
                }
            }
        }
        Ok(())
    }

    /// Ends a pass after the history was streamed to its end.
    pub(super) fn end_turn(&mut self) -> Result<(), Stop> {
        let Some(turn) = self.turn.filter(|_| !std::mem::take(&mut self.is_spoilt)) else { return Ok(()) };
        self.compare_touched()?;
        self.turn = turn.end.map(|end| {
            self.clear();
            Turn { first: end, end: None }
        });
        Ok(())
    }

    fn spoil(&mut self) {
        self.clear();
        self.is_spoilt = true;
    }

    /// Folds and compares the whole histories of these aggregates, one after the other.
    pub(super) fn fold_sample(
        &mut self,
        keys: &[AggregateKey],
        until: Position,
        folded: impl Fn(),
    ) -> Result<(), Stop> {
        self.turn = None;
        for key in keys.iter().filter(|key| self.owns(**key)).copied().collect::<Vec<_>>() {
            self.go_on()?;
            self.make_room()?;
            self.fold_whole(key, until)?;
            folded();
        }
        Ok(())
    }

    /// Folds and compares the events recorded after a position.
    pub(super) fn fold_tails(
        &mut self,
        batch: &TenantBatch,
        after: Position,
        sample: Option<&HashSet<AggregateKey, BuildDigestHasher>>,
    ) -> Result<(), Stop> {
        let subject = Arc::clone(&self.subject);
        let is_wanted = |key| self.owns(key) && sample.is_none_or(|keys| keys.contains(&key));
        for group in groups(batch, subject.domain.as_str(), after, is_wanted) {
            self.go_on()?;
            self.fold_tail(&group, batch.last())?;
        }
        self.compare_touched()
    }

    fn fold_tail(&mut self, group: &Group<'_>, until: Position) -> Result<(), Stop> {
        self.make_room()?;
        self.pace.rest();
        let held = self.held.get(&group.key).map_or(Sequence::ZERO, |held| held.sequence);
        if held >= group.sequence {
            return Ok(());
        }
        // Otherwise the state is not held any more, or it was already folded beyond this part of the history.
        if group.events.first().is_some_and(|event| event.sequence == held.0 + 1) {
            match self.fold(group) {
                Ok(()) => return Ok(()),
                Err(Trouble::Stop(stop)) => return Err(stop),
                Err(Trouble::Again | Trouble::Full) => self.clear(),
            }
        }
        self.forget(group.key);
        self.fold_whole(group.key, until)
    }

    /// Folds and compares the whole history of one aggregate, by indexed reads.
    fn fold_whole(&mut self, key: AggregateKey, until: Position) -> Result<(), Stop> {
        let mut after = Sequence::ZERO;
        loop {
            let records = self.subject.reader.history(key, after, RECORDS_PER_READ)?;
            let Some(group) = group_of(&records, until).filter(|group| !group.events.is_empty()) else {
                return self.compare_touched();
            };
            self.pace.rest();
            match self.fold(&group) {
                Ok(()) => after = group.sequence,
                Err(Trouble::Stop(stop)) => return Err(stop),
                // Start again from the beginning. If the old revision has failed, continue without it. If the guest's
                // memory was full, hold this state alone.
                Err(Trouble::Again | Trouble::Full) => {
                    self.clear();
                    after = Sequence::ZERO;
                }
            }
        }
    }

    fn fold(&mut self, group: &Group<'_>) -> Result<(), Trouble> {
        let (key, names) = (group.key, (group.aggregate, group.id));
        if let Err(error) = self.new.fold(key, names, &group.events) {
            return Err(self.new_failed(group, &error));
        }
        if !self.findings.is_uncompared(key)
            && let Some(old) = &mut self.old
            && let Err(error) = old.fold(key, names, &group.events)
        {
            self.findings.uncompared(key);
            if error.instance_lost {
                self.old_ended += 1;
                if self.old_ended >= OLD_ENDED_MAX {
                    self.old = None;
                    self.findings.nothing_compared();
                }
                return Err(Trouble::Again);
            }
        }
        let held = self.held.entry(key).or_insert_with(|| Held {
            aggregate: group.aggregate.to_owned(),
            id: group.id.to_owned(),
            sequence: Sequence::ZERO,
            position: Position::ZERO,
            is_touched: false,
        });
        held.sequence = group.sequence;
        held.position = group.events.last().map_or(held.position, |event| Position(event.position));
        if !std::mem::replace(&mut held.is_touched, true) {
            self.touched.push(key);
        }
        self.findings.folded(key, group.sequence);
        if self.old.is_none() && self.subject.old.is_some() {
            self.findings.uncompared(key);
        }
        Ok(())
    }

    /// Finds the event over which the new revision fails, by folding this aggregate alone, event by event.
    fn new_failed(&mut self, group: &Group<'_>, error: &CallError) -> Trouble {
        if let Some(exhausted) = error.host_memory() {
            return Trouble::Stop(Stop::Check(exhausted.clone().into()));
        }
        let mut alone = Side::new(Arc::clone(self.new.rules()), self.subject.limits);
        let mut after = Sequence::ZERO;
        while after < group.sequence {
            let records = match self.subject.reader.history(group.key, after, RECORDS_PER_READ) {
                Ok(records) => records,
                Err(error) => return error.into(),
            };
            let Some(history) = group_of(&records, Position(u64::MAX)) else { break };
            for event in &history.events {
                if let Err(error) = alone.fold(group.key, (group.aggregate, group.id), &[*event]) {
                    if let Some(exhausted) = error.host_memory() {
                        return Trouble::Stop(Stop::Check(exhausted.clone().into()));
                    }
                    let place = EventPlace {
                        aggregate: group.aggregate.to_owned(),
                        id: group.id.to_owned(),
                        sequence: Sequence(event.sequence),
                        position: Position(event.position),
                    };
                    let (event, version) = (event.name.to_owned(), event.version);
                    return Trouble::Stop(Stop::Refused(CheckRefusal::Fault {
                        place,
                        event,
                        version,
                        problem: error.to_string(),
                    }));
                }
            }
            after = history.sequence;
        }
        // The aggregate alone folds well, so the failure may be caused by the other states in the instance.
        if error.instance_lost && self.held.len() > 1 {
            return Trouble::Full;
        }
        Trouble::Stop(Stop::Refused(self.fault_at(group, error.to_string())))
    }

    fn fault_at(&self, group: &Group<'_>, problem: String) -> CheckRefusal {
        let (event, version, position) = match group.events.last() {
            Some(event) => (event.name.to_owned(), event.version, Position(event.position)),
            None => (String::new(), 0, Position::ZERO),
        };
        let (aggregate, id) = (group.aggregate.to_owned(), group.id.to_owned());
        let place = EventPlace { aggregate, id, sequence: group.sequence, position };
        CheckRefusal::Fault { place, event, version, problem }
    }

    fn compare_touched(&mut self) -> Result<(), Stop> {
        for key in std::mem::take(&mut self.touched) {
            if let Some(held) = self.held.get_mut(&key) {
                held.is_touched = false;
                self.compare(key)?;
            }
        }
        Ok(())
    }

    fn compare(&mut self, key: AggregateKey) -> Result<(), Stop> {
        let Some(new) = self.new.inspect(key) else { return Ok(()) };
        let new = new.map_err(|error| Stop::Refused(self.inspect_failed(key, &error)))?;
        let old = self.old.as_mut().and_then(|old| old.inspect(key));
        let Some(Ok(old)) = old else {
            if self.old.is_some() {
                self.findings.uncompared(key);
            }
            return Ok(());
        };
        self.findings.forget(key);
        if old == new && self.lost_states.is_empty() {
            return Ok(());
        }
        // The sandbox has checked that both are JSON.
        let (before, after): (Value, Value) =
            (serde_json::from_str(&old).unwrap_or_default(), serde_json::from_str(&new).unwrap_or_default());
        let Some(Held { aggregate, id, sequence, position, .. }) = self.held.get(&key) else { return Ok(()) };
        if let Some(state) = self.lost_states.of(aggregate, &before) {
            self.findings.lost(key, aggregate, state);
        }
        if before != after {
            self.findings.differs(key, *position, (aggregate, &before, &after), || {
                let (aggregate, id, changes) = (aggregate.clone(), id.clone(), changes(&before, &after));
                Difference { aggregate, id, sequence: *sequence, changes }
            });
        }
        Ok(())
    }

    fn inspect_failed(&self, key: AggregateKey, error: &CallError) -> CheckRefusal {
        let (aggregate, id, sequence, position) = match self.held.get(&key) {
            Some(held) => (held.aggregate.clone(), held.id.clone(), held.sequence, held.position),
            None => Default::default(),
        };
        let place = EventPlace { aggregate, id, sequence, position };
        let problem = format!("its state cannot be shown: {error}");
        CheckRefusal::Fault { place, event: "inspect".into(), version: 0, problem }
    }

    fn is_full(&self) -> bool {
        let memory_bytes = self.memory_bytes();
        let allowed = self.subject.limits.memory_bytes_max / 100 * MEMORY_PERCENT_MAX / self.count as u64;
        self.held.len() > STATES_MAX / self.count
            || (memory_bytes >= allowed && memory_bytes > self.memory_bytes_narrowed)
    }

    /// Memory of the fuller instance, in bytes.
    fn memory_bytes(&self) -> u64 {
        self.new.memory_bytes().max(self.old.as_ref().map_or(0, Side::memory_bytes))
    }

    /// Discards half of the states; their aggregates are left to a later pass.
    fn narrow(&mut self, turn: &mut Turn) {
        let mut numbers: Vec<u64> = self.held.keys().map(|key| number_of(*key)).collect();
        if numbers.len() > 1 {
            let middle = numbers.len() / 2;
            let end = *numbers.select_nth_unstable(middle).1;
            turn.end = Some(end.max(turn.first + 1));
            let leaving: Vec<_> = self.held.keys().copied().filter(|key| !turn.holds(*key)).collect();
            leaving.into_iter().for_each(|key| self.forget(key));
        }
        self.memory_bytes_narrowed = self.memory_bytes();
    }

    fn go_on(&self) -> Result<(), Stop> {
        if self.subject.is_stopping.load(Ordering::Relaxed) { Err(Stop::Check(CheckError::Stopping)) } else { Ok(()) }
    }

    /// Makes room for more states, if necessary. Compared states are only held to fold later events, so they can be
    /// dropped.
    fn make_room(&mut self) -> Result<(), Stop> {
        if self.is_full() {
            self.compare_touched()?;
            self.clear();
        }
        Ok(())
    }

    fn forget(&mut self, key: AggregateKey) {
        self.new.discard(key);
        if let Some(old) = &mut self.old {
            old.discard(key);
        }
        self.held.remove(&key);
    }

    fn clear(&mut self) {
        self.new.clear();
        if let Some(old) = &mut self.old {
            old.clear();
        }
        self.held.clear();
        self.touched.clear();
        self.memory_bytes_narrowed = 0;
    }
}
