//! Folds real histories by two revisions and compares what comes out. The history is streamed; the states are held in guest memory.
//! Where they do not all fit, the aggregates are taken in turns, each turn streaming the history once more: memory stays bounded, and
//! nothing is left out.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polder_core::{ContentId, DomainName, Limits, Position, Sequence, TenantName};
use polder_journal::{AggregateKey, BuildDigestHasher, ReadError, Reader};
use polder_sandbox::CallError;
use serde_json::Value;

use super::GateError;
use super::charts::LostStates;
use super::difference::{Difference, changes};
use super::inventory::number_of;
use super::side::Side;
use super::stretch::{Group, group_of, groups};
use super::verdict::{EventPlace, GateRefusal};
use crate::pace::{Pace, SHORT_REST};
use crate::rules::Rules;

/// History read at a time, in bytes. The more, the more events of one aggregate are folded in one call.
const READ_BYTES: usize = 8 * 1024 * 1024;
/// Records of one aggregate read at a time.
const RECORDS_PER_READ: usize = 1_024;
/// Share of its memory that a guest may fill with states, in percent.
const MEMORY_PERCENT_MAX: u64 = 75;
/// States held at a time: well below the handles that an instance may give out.
const STATES_MAX: usize = 200_000;
/// Differences that are told.
const DIFFERENCES_TOLD_MAX: usize = 5;
/// When the old revision's instance has ended over so many aggregates, it is not asked any more.
const OLD_ENDED_MAX: usize = 8;

/// What is replayed of, and by whom.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) reader: Reader,
    pub(super) tenant: TenantName,
    pub(super) domain: DomainName,
    pub(super) limits: Limits,
    pub(super) old: Option<Arc<dyn Rules>>,
    pub(super) new: Arc<dyn Rules>,
    pub(super) is_stopping: Arc<AtomicBool>,
}

pub(super) struct Replay {
    subject: Subject,
    old: Option<Side>,
    new: Side,
    lost_states: LostStates,
    /// `None`: all.
    sample: Option<Arc<HashSet<AggregateKey, BuildDigestHasher>>>,
    pace: Pace,
    held: HashMap<AggregateKey, Held, BuildDigestHasher>,
    /// Held and not compared since their last event, in order.
    touched: Vec<AggregateKey>,
    /// Aggregates over which the old revision fails.
    uncompared: HashSet<AggregateKey, BuildDigestHasher>,
    old_ended: usize,
    /// Memory of both guests when some states were last put away. It does not shrink, but is used again.
    memory_bytes_narrowed: u64,
    pub(super) position: Position,
    pub(super) findings: Findings,
}

/// What has been seen of an aggregate that is held.
struct Held {
    aggregate: String,
    id: String,
    sequence: Sequence,
    head: ContentId,
    is_touched: bool,
}

#[derive(Default)]
pub(super) struct Findings {
    /// What was folded, and how far.
    aggregates: HashMap<AggregateKey, Sequence, BuildDigestHasher>,
    pub(super) differing: HashSet<AggregateKey, BuildDigestHasher>,
    examples: Vec<(AggregateKey, Difference)>,
    pub(super) lost: HashMap<AggregateKey, (String, String), BuildDigestHasher>,
}

impl Findings {
    pub(super) fn aggregates(&self) -> u64 {
        self.aggregates.len() as u64
    }

    pub(super) fn events(&self) -> u64 {
        self.aggregates.values().map(|sequence| sequence.0).sum()
    }

    pub(super) fn differences(&self) -> Vec<Difference> {
        self.examples.iter().map(|(_, difference)| difference.clone()).collect()
    }
}

/// Why a replay goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    Refused(GateRefusal),
    Gate(GateError),
}

impl From<ReadError> for Stop {
    fn from(error: ReadError) -> Self {
        Self::Gate(error.into())
    }
}

impl From<GateError> for Stop {
    fn from(error: GateError) -> Self {
        Self::Gate(error)
    }
}

/// Within a pass.
enum Trouble {
    Stop(Stop),
    /// States were lost that the pass needs: begin it again.
    Again,
    /// Too many states at once for the guest.
    Full,
}

impl<E: Into<Stop>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Stop(error.into())
    }
}

/// Which aggregates have their turn.
#[derive(Clone, Copy)]
struct Turn {
    first: u64,
    /// Itself not in it.
    end: Option<u64>,
}

impl Turn {
    fn holds(self, key: AggregateKey) -> bool {
        let number = number_of(key);
        number >= self.first && self.end.is_none_or(|end| number < end)
    }
}

impl Replay {
    pub(super) fn new(subject: Subject) -> Self {
        let side = |rules: &Arc<dyn Rules>| Side::new(Arc::clone(rules), subject.limits);
        let lost_states = match &subject.old {
            Some(old) => LostStates::between(old.descriptor(), subject.new.descriptor()),
            None => LostStates::between(subject.new.descriptor(), subject.new.descriptor()),
        };
        Self {
            old: subject.old.as_ref().map(side),
            new: side(&subject.new),
            lost_states,
            sample: None,
            pace: Pace::new(subject.reader.clone(), SHORT_REST),
            held: HashMap::default(),
            touched: Vec::new(),
            uncompared: HashSet::default(),
            old_ended: 0,
            memory_bytes_narrowed: 0,
            position: Position::ZERO,
            findings: Findings::default(),
            subject,
        }
    }

    pub(super) fn uncompared(&self) -> u64 {
        if self.old.is_none() && self.subject.old.is_some() {
            return self.findings.aggregates();
        }
        self.uncompared.len() as u64
    }

    /// Whether the chart has lost states, so that no aggregate may be left out.
    pub(super) fn needs_all(&self) -> bool {
        !self.lost_states.is_empty()
    }

    /// Folds and compares every history up to a position.
    pub(super) fn run_all(&mut self, until: Position, progress: &mut dyn FnMut(Position)) -> Result<(), Stop> {
        self.take_turns(until, progress)?;
        self.position = until;
        Ok(())
    }

    /// As [`run_all`](Self::run_all), for these aggregates only.
    pub(super) fn run_sample(
        &mut self,
        keys: &[AggregateKey],
        until: Position,
        progress: &mut dyn FnMut(Position),
    ) -> Result<(), Stop> {
        self.sample = Some(Arc::new(keys.iter().copied().collect()));
        for (number, key) in keys.iter().enumerate() {
            self.go_on()?;
            self.make_room();
            self.fold_whole(*key, until)?;
            progress(Position(until.0 * (number as u64 + 1) / keys.len() as u64));
        }
        self.position = until;
        Ok(())
    }

    fn take_turns(&mut self, until: Position, progress: &mut dyn FnMut(Position)) -> Result<(), Stop> {
        let mut turn = Turn { first: 0, end: None };
        loop {
            match self.pass(&mut turn, until, progress) {
                Ok(()) => {}
                Err(Trouble::Again) => {
                    self.clear();
                    continue;
                }
                Err(Trouble::Full) => {
                    self.narrow(&mut turn);
                    self.clear();
                    continue;
                }
                Err(Trouble::Stop(stop)) => return Err(stop),
            }
            self.compare_touched()?;
            let Some(end) = turn.end else { return Ok(()) };
            self.clear();
            turn = Turn { first: end, end: None };
        }
    }

    /// Streams the history once, for the aggregates that have their turn: fewer in the end when they are too many.
    fn pass(&mut self, turn: &mut Turn, until: Position, progress: &mut dyn FnMut(Position)) -> Result<(), Trouble> {
        let mut cursor = Position::ZERO;
        while cursor < until {
            let reader = self.subject.reader.clone();
            let batch = reader.tenant_batch(&self.subject.tenant, cursor, READ_BYTES)?;
            for group in groups(&batch, self.subject.domain.as_str(), cursor, |key| turn.holds(key)) {
                // Narrowed meanwhile.
                if turn.holds(group.key) {
                    self.pace.rest();
                    self.fold(&group)?;
                    if self.is_full() {
                        self.narrow(turn);
                    }
                }
            }
            if batch.is_empty() {
                break;
            }
            cursor = batch.last();
            progress(cursor);
            self.go_on()?;
        }
        // The last batch may have gone beyond; what it brought is folded already.
        Ok(())
    }

    /// Folds what was recorded since. `false`: there is more.
    pub(super) fn catch_up(&mut self) -> Result<bool, Stop> {
        let reader = self.subject.reader.clone();
        let batch = reader.tenant_batch(&self.subject.tenant, self.position, READ_BYTES)?;
        if batch.is_empty() {
            return Ok(true);
        }
        let sample = self.sample.clone();
        let is_wanted = |key| sample.as_ref().is_none_or(|keys| keys.contains(&key));
        for group in groups(&batch, self.subject.domain.as_str(), self.position, is_wanted) {
            self.fold_tail(&group, batch.last())?;
        }
        self.position = batch.last();
        Ok(self.position >= reader.last_position(&self.subject.tenant))
    }

    fn fold_tail(&mut self, group: &Group<'_>, until: Position) -> Result<(), Stop> {
        self.make_room();
        self.pace.rest();
        let held = self.held.get(&group.key).map_or(Sequence::ZERO, |held| held.sequence);
        if held >= group.sequence {
            return Ok(());
        }
        // Otherwise the state is not held any more, or was folded further than its stretch of history went.
        if group.events.first().is_some_and(|event| event.sequence == held.0 + 1) {
            match self.fold(group) {
                Ok(()) => return self.compare_touched(),
                Err(Trouble::Stop(stop)) => return Err(stop),
                Err(Trouble::Again | Trouble::Full) => self.clear(),
            }
        }
        self.forget(group.key);
        self.fold_whole(group.key, until)
    }

    /// Folds and compares one aggregate's whole history, by the index.
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
                // Once more from the beginning: without the old revision if that has failed, alone if the guest was full.
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
        if !self.uncompared.contains(&key)
            && let Some(old) = &mut self.old
            && let Err(error) = old.fold(key, names, &group.events)
        {
            self.uncompared.insert(key);
            if error.instance_lost {
                self.old_ended += 1;
                if self.old_ended >= OLD_ENDED_MAX {
                    self.old = None;
                }
                return Err(Trouble::Again);
            }
        }
        let held = self.held.entry(key).or_insert_with(|| Held {
            aggregate: group.aggregate.to_owned(),
            id: group.id.to_owned(),
            sequence: Sequence::ZERO,
            head: ContentId::NONE,
            is_touched: false,
        });
        (held.sequence, held.head) = (group.sequence, group.head);
        if !std::mem::replace(&mut held.is_touched, true) {
            self.touched.push(key);
        }
        self.findings.aggregates.insert(key, group.sequence);
        Ok(())
    }

    /// Finds the event that the new revision fails over: alone with it, one event after the other.
    fn new_failed(&mut self, group: &Group<'_>, error: &CallError) -> Trouble {
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
                    let place = EventPlace {
                        aggregate: group.aggregate.to_owned(),
                        id: group.id.to_owned(),
                        sequence: Sequence(event.sequence),
                        position: Position(event.position),
                    };
                    let (event, version) = (event.name.to_owned(), event.version);
                    return Trouble::Stop(Stop::Refused(GateRefusal::Fault {
                        place,
                        event,
                        version,
                        problem: error.to_string(),
                    }));
                }
            }
            after = history.sequence;
        }
        // Alone it does well: what it failed over may have been the other states beside it.
        if error.instance_lost && self.held.len() > 1 {
            return Trouble::Full;
        }
        Trouble::Stop(Stop::Refused(self.fault_at(group, error.to_string())))
    }

    fn fault_at(&self, group: &Group<'_>, problem: String) -> GateRefusal {
        let (event, version, position) = match group.events.last() {
            Some(event) => (event.name.to_owned(), event.version, Position(event.position)),
            None => (String::new(), 0, Position::ZERO),
        };
        let (aggregate, id) = (group.aggregate.to_owned(), group.id.to_owned());
        let place = EventPlace { aggregate, id, sequence: group.sequence, position };
        GateRefusal::Fault { place, event, version, problem }
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
            self.uncompared.extend(self.old.is_some().then_some(key));
            return Ok(());
        };
        self.findings.differing.remove(&key);
        self.findings.examples.retain(|(example, _)| *example != key);
        self.findings.lost.remove(&key);
        if old == new && self.lost_states.is_empty() {
            return Ok(());
        }
        // The sandbox has seen to it that both are JSON.
        let (before, after): (Value, Value) =
            (serde_json::from_str(&old).unwrap_or_default(), serde_json::from_str(&new).unwrap_or_default());
        let Some(Held { aggregate, id, sequence, .. }) = self.held.get(&key) else { return Ok(()) };
        if let Some(state) = self.lost_states.of(aggregate, &before) {
            self.findings.lost.insert(key, (aggregate.clone(), state));
        }
        if before != after {
            self.findings.differing.insert(key);
            if self.findings.examples.len() < DIFFERENCES_TOLD_MAX {
                let (aggregate, id, changes) = (aggregate.clone(), id.clone(), changes(&before, &after));
                self.findings.examples.push((key, Difference { aggregate, id, sequence: *sequence, changes }));
            }
        }
        Ok(())
    }

    fn inspect_failed(&self, key: AggregateKey, error: &CallError) -> GateRefusal {
        let (aggregate, id, sequence) = match self.held.get(&key) {
            Some(held) => (held.aggregate.clone(), held.id.clone(), held.sequence),
            None => Default::default(),
        };
        let place = EventPlace { aggregate, id, sequence, position: self.position };
        let problem = format!("its state cannot be shown: {error}");
        GateRefusal::Fault { place, event: "inspect".into(), version: 0, problem }
    }

    fn is_full(&self) -> bool {
        let memory_bytes = self.memory_bytes();
        let allowed = self.subject.limits.memory_bytes_max / 100 * MEMORY_PERCENT_MAX;
        self.held.len() > STATES_MAX || (memory_bytes >= allowed && memory_bytes > self.memory_bytes_narrowed)
    }

    /// Of the fuller one.
    fn memory_bytes(&self) -> u64 {
        self.new.memory_bytes().max(self.old.as_ref().map_or(0, Side::memory_bytes))
    }

    /// Puts half of the states away; they have their turn later.
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
        if self.subject.is_stopping.load(Ordering::Relaxed) { Err(Stop::Gate(GateError::Stopping)) } else { Ok(()) }
    }

    /// States that were compared are held only for what comes after them.
    fn make_room(&mut self) {
        if self.is_full() {
            self.clear();
        }
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
