//! A thread that owns aggregates: takes the commands that have come, runs the rules on the warm states one command after the
//! other, makes all that was decided durable in one append, and then tells the callers. Within a batch it decides on
//! states that are not durable yet; nothing is told, and nothing read from the journal, before they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::{Duration, Instant};

use polder_core::{
    Command, CommandAck, CommandId, CommandStatus, CorrelationId, Fingerprint, Position, Reason, Sequence, TimestampMs,
};
use polder_journal::{AggregateKey, CommandKey, Decision, EncodedRecord, NewEvent, Outcome, Reader, RecordBuf};
use polder_sandbox::GuestCommand;

use super::batch::{Batch, Reply};
use super::cold::FoldError;
use super::job::{ReplySender, Target};
use super::seat::{Seat, TakeError, Upkeep};
use super::warm::Warm;
use super::{Appender, Decided, Grown, Job};
use crate::SubmitError;
use crate::clock::Clock;
use crate::domain::{Active, Domain};
use crate::metrics::Metrics;
use crate::rules::DecidedEvent;

/// After the last command a worker looks for the next one for so long before it goes to sleep: a caller that comes again at once is
/// served without the time that waking a thread takes.
const LOOKING_OUT: Duration = Duration::from_micros(50);
/// Deciding goes on for as long as the last append took, and at least this long: callers wait for a slow disk anyway, and on a
/// fast one no caller waits long for those behind.
const DECIDING_MIN: Duration = Duration::from_millis(1);

pub(super) struct Worker {
    inbox: Receiver<Box<Job>>,
    appender: Arc<Appender>,
    reader: Reader,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    grown: Arc<Grown>,
    /// By the address of the domain, which the seat keeps alive.
    seats: HashMap<usize, Seat>,
    batch: Batch,
    /// Of the batch that is being decided; all before it are durable.
    batch_number: u64,
    /// Others leave their records to this worker, which is about to append.
    decided: Decided,
    last_append: Duration,
}

/// What the domain decided, and for whom.
struct Verdict {
    record: Option<EncodedRecord>,
    answer: Result<CommandAck, SubmitError>,
}

impl Worker {
    pub(super) fn new(
        inbox: Receiver<Box<Job>>,
        appender: Arc<Appender>,
        reader: Reader,
        clock: Arc<Clock>,
        metrics: Arc<Metrics>,
        grown: Arc<Grown>,
    ) -> Self {
        let (seats, batch) = Default::default();
        let (batch_number, decided, last_append) = (1, Decided::No, Duration::ZERO);
        Self { inbox, appender, reader, clock, metrics, grown, seats, batch, batch_number, decided, last_append }
    }

    /// Until there is nobody left to send commands.
    pub(super) fn run(mut self) {
        while let Some(first) = self.look_out() {
            self.appender.decide();
            self.decided = Decided::Yes;
            let began = Instant::now();
            let deciding_max = self.last_append.max(DECIDING_MIN);
            self.take(*first);
            while !self.batch.is_full()
                && began.elapsed() < deciding_max
                && let Ok(next) = self.inbox.try_recv()
            {
                self.take(*next);
            }
            self.settle();
        }
        // What was in constant use is cheap to start with again.
        for seat in self.seats.values_mut() {
            seat.save_all(&self.reader);
        }
    }

    fn look_out(&self) -> Option<Box<Job>> {
        let until = Instant::now() + LOOKING_OUT;
        loop {
            match self.inbox.try_recv() {
                Ok(job) => return Some(job),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) if Instant::now() < until => std::thread::yield_now(),
                Err(TryRecvError::Empty) => return self.inbox.recv().ok(),
            }
        }
    }

    fn take(&mut self, job: Job) {
        let Job { command, target, reply } = job;
        let repeatable = command.id.as_ref().map(|id| CommandKey::of(target.key, id));
        if repeatable.as_ref().is_some_and(|command| self.batch.holds(command)) {
            // The first of the two has to be in the journal, where the answer is read from.
            self.settle();
        }
        let answer = match self.earlier(&target, &command, repeatable) {
            Ok(Some(ack)) => Ok(ack),
            Ok(None) => match self.decide(&target, command) {
                Ok((verdict, warm)) => return self.keep(target, reply, verdict, repeatable, warm),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        // This says nothing of what is not durable yet, and so need not wait.
        self.metrics.answered(&answer);
        // The caller may have gone away; the answer is then nobody's.
        drop(reply.send(answer));
    }

    fn decide(&mut self, target: &Target, command: Command) -> Result<(Verdict, Warm), SubmitError> {
        if let Some(reason) = self.appender.halted() {
            return Err(SubmitError::ReadOnly(reason.to_owned()));
        }
        let active = target.domain.active();
        let mut warm = match self.warm(target, &active, &command) {
            Ok(warm) => warm,
            Err(error) => return Err(self.failed(target, &active, error)),
        };
        if let Some(expected) = command.expected_sequence
            && expected != warm.sequence
        {
            let answer = Err(SubmitError::Conflict { expected, actual: warm.sequence });
            return Ok((Verdict { record: None, answer }, warm));
        }
        let id = command.id.clone().unwrap_or_else(new_command_id);
        let at_ms = self.clock.now();
        let asked = GuestCommand {
            id: id.as_str(),
            name: command.name.as_str(),
            payload: &command.payload,
            at_ms: at_ms.0,
            actor: command.actor.as_deref(),
        };
        let decision;
        (warm, decision) = match self.seat(target).handle(warm, &asked) {
            Ok(handled) => handled,
            Err(error) => return Err(self.failed(target, &active, error.into())),
        };
        let verdict = record(target.key, &active, &mut warm, command, id, at_ms, decision);
        warm.batch = self.batch_number;
        Ok((verdict, warm))
    }

    /// The first acknowledgement of a command that was handled before.
    fn earlier(
        &self,
        target: &Target,
        command: &Command,
        repeatable: Option<CommandKey>,
    ) -> Result<Option<CommandAck>, SubmitError> {
        let (Some(id), Some(key)) = (&command.id, repeatable) else { return Ok(None) };
        let record = match self.reader.decision(key) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(None),
            Err(error) => return Err(SubmitError::ReadOnly(error.to_string())),
        };
        if record.view().fingerprint() != Fingerprint::of(&command.name, &command.payload) {
            return Err(SubmitError::IdReused(id.clone()));
        }
        Ok(Some(repeat(&target.domain.active(), command, id, &record)))
    }

    /// Puts the decision into the batch, and the state back.
    fn keep(&mut self, target: Target, to: ReplySender, verdict: Verdict, repeatable: Option<CommandKey>, warm: Warm) {
        let Target { domain, key, admission } = target;
        self.batch.push(Reply { answer: verdict.answer, to, admission }, verdict.record, repeatable);
        self.put_back(&domain, key, warm);
    }

    /// Makes the batch durable and tells its callers.
    fn settle(&mut self) {
        let decided = std::mem::replace(&mut self.decided, Decided::No);
        if self.batch.is_empty() && decided == Decided::No {
            return;
        }
        let mut batch = std::mem::take(&mut self.batch);
        let records = batch.take_records();
        let began = Instant::now();
        let appended = self.appender.append(records, decided);
        self.last_append = began.elapsed();
        self.batch_number += 1;
        match appended {
            Ok(positions) => {
                batch.durable(&positions, |tenant| self.reader.last_position(tenant), &self.grown, &self.metrics);
            }
            Err(halted) => {
                // They hold what is not in the journal, and never will be.
                self.seats.clear();
                batch.lost(&halted.0, &self.metrics);
            }
        }
    }

    fn warm(&mut self, target: &Target, active: &Arc<Active>, command: &Command) -> Result<Warm, FoldError> {
        loop {
            match self.taken(target, active, command) {
                Ok(warm) => return Ok(warm),
                Err(TakeError::Fold(error)) => return Err(error),
                // The next round builds the state anew, and a state that was just built is not saved.
                Err(TakeError::Saving) => {
                    self.metrics.faulted();
                    self.give_up(address_of(&target.domain));
                }
            }
        }
    }

    fn taken(&mut self, target: &Target, active: &Arc<Active>, command: &Command) -> Result<Warm, TakeError> {
        let address = address_of(&target.domain);
        let limits = target.admission.tenant().limits();
        if self.seats.get(&address).is_some_and(|seat| !seat.suits(active, &limits)) {
            self.give_up(address);
        }
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.seats.entry(address) {
            let seat = Seat::new(&target.domain, active, limits);
            vacant.insert(seat.map_err(|error| TakeError::Fold(error.into()))?);
        }
        let durable = self.batch_number - 1;
        let seat = self.seats.get_mut(&address).expect("put there above when it was missing");
        seat.take(&self.reader, durable, target.key, &command.aggregate, &command.aggregate_id)
    }

    fn seat(&mut self, target: &Target) -> &mut Seat {
        self.seats.get_mut(&address_of(&target.domain)).expect("a warm state was taken out of it")
    }

    fn put_back(&mut self, domain: &Arc<Domain>, key: AggregateKey, warm: Warm) {
        let durable = self.batch_number - 1;
        let seat = self.seats.get_mut(&address_of(domain)).expect("the warm state was taken out of it");
        match seat.put(&self.reader, durable, key, warm) {
            Ok(Upkeep::Nothing) => {}
            Ok(Upkeep::Replace) => {
                tracing::info!(domain = %domain.name, "the guest's memory is nearly full; its states are built anew");
                self.settle();
                if let Some(mut seat) = self.seats.remove(&address_of(domain)) {
                    seat.save_all(&self.reader);
                }
            }
            Err(error) => {
                tracing::warn!(domain = %domain.name, %error, "a state could not be put away; all are built anew");
                self.give_up(address_of(domain));
            }
        }
    }

    /// Drops a seat with all its states. The decisions they made stand, and have to be in the journal when the states are
    /// built again.
    fn give_up(&mut self, address: usize) {
        self.settle();
        self.seats.remove(&address);
    }

    fn failed(&mut self, target: &Target, active: &Active, error: FoldError) -> SubmitError {
        let fault =
            |reason| SubmitError::GuestFault { domain: target.domain.name.clone(), revision: active.revision, reason };
        match error {
            FoldError::Call(error) => {
                self.metrics.faulted();
                tracing::warn!(domain = %target.domain.name, revision = %active.revision.short(), %error, "a guest failed");
                if error.instance_lost {
                    self.give_up(address_of(&target.domain));
                } else {
                    // This aggregate's state is gone.
                    self.settle();
                }
                fault(error.to_string())
            }
            FoldError::Journal(error) => SubmitError::ReadOnly(error.to_string()),
            FoldError::Content(error) => SubmitError::ReadOnly(error.to_string()),
        }
    }
}

/// Writes the decision down and builds its acknowledgement.
fn record(
    key: AggregateKey,
    active: &Active,
    warm: &mut Warm,
    command: Command,
    id: CommandId,
    at_ms: TimestampMs,
    decision: Result<Vec<DecidedEvent>, Reason>,
) -> Verdict {
    let correlation_id = command.correlation_id.clone().unwrap_or_else(|| CorrelationId::from(&id));
    let (status, outcome, reason, events) = match decision {
        Ok(events) => (CommandStatus::Accepted, Outcome::Accepted, None, events),
        Err(reason) => (CommandStatus::Rejected, Outcome::Rejected(reason.clone()), Some(reason), Vec::new()),
    };
    let mut ack = acknowledgement(active, &command, status, id.clone(), correlation_id, reason);
    // Nobody can repeat a command whose id the host made up; without events it leaves nothing worth keeping.
    let is_kept = !events.is_empty() || command.id.is_some();
    let record = is_kept.then(|| {
        let decision = Decision {
            fingerprint: Fingerprint::of(&command.name, &command.payload),
            tenant: command.tenant,
            domain: command.domain,
            aggregate: command.aggregate,
            aggregate_id: command.aggregate_id,
            revision_mark: active.revision.mark(),
            command_id: id,
            command_name: command.name,
            correlation_id: command.correlation_id,
            causation_id: command.causation_id,
            actor: command.actor,
            at_ms,
            outcome,
            sequence_before: warm.sequence,
            events: events.into_iter().map(new_event).collect(),
        };
        let (record, head) = EncodedRecord::encode(&decision, key, &warm.head);
        warm.sequence = warm.sequence.plus(decision.events.len() as u64);
        warm.head = head;
        record
    });
    ack.sequence = warm.sequence;
    Verdict { record, answer: Ok(ack) }
}

fn repeat(active: &Active, command: &Command, id: &CommandId, record: &RecordBuf) -> CommandAck {
    let view = record.view();
    let reason = view.reason();
    let status = if reason.is_some() { CommandStatus::Rejected } else { CommandStatus::Accepted };
    let correlation_id = CorrelationId::new(view.correlation_id()).unwrap_or_else(|_| CorrelationId::from(id));
    let ack = acknowledgement(active, command, status, id.clone(), correlation_id, reason);
    CommandAck { sequence: view.sequence(), position: view.position(), repeated: true, ..ack }
}

/// As far as it is known before the decision has its place.
fn acknowledgement(
    active: &Active,
    command: &Command,
    status: CommandStatus,
    command_id: CommandId,
    correlation_id: CorrelationId,
    reason: Option<Reason>,
) -> CommandAck {
    CommandAck {
        status,
        command_id,
        aggregate_id: command.aggregate_id.clone(),
        sequence: Sequence::ZERO,
        position: Position::ZERO,
        correlation_id,
        stream_subject: active.stream_subject(&command.aggregate).unwrap_or_default().to_owned(),
        reason,
        repeated: false,
    }
}

fn address_of(domain: &Arc<Domain>) -> usize {
    Arc::as_ptr(domain).addr()
}

fn new_event(event: DecidedEvent) -> NewEvent {
    NewEvent { name: event.name, version: event.version, payload: event.payload }
}

/// Ordered by time, so that ids made up one after the other lie close together in indexes.
fn new_command_id() -> CommandId {
    let mut buffer = uuid::Uuid::encode_buffer();
    CommandId::new(uuid::Uuid::now_v7().hyphenated().encode_lower(&mut buffer)).expect("a UUID is a good command id")
}
