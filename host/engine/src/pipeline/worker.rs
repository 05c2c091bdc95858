//! A thread that owns aggregates: takes their commands one by one, runs the rules on the warm state, and passes what was
//! decided on to the sequencer. It may decide on a state that is not durable yet; nothing is told before it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};

use polder_core::{CommandAck, CommandId, CommandStatus, CorrelationId, Fingerprint, Position, Reason, Sequence};
use polder_journal::{AggregateKey, CommandKey, Decision, EncodedRecord, NewEvent, Outcome, Reader, RecordBuf};
use polder_sandbox::GuestCommand;

use super::cold::FoldError;
use super::progress::Halted;
use super::seat::{Seat, Upkeep};
use super::warm::Warm;
use super::{Decided, Job, Progress, Reply};
use crate::SubmitError;
use crate::clock::Clock;
use crate::domain::{Active, Domain};
use crate::metrics::Metrics;
use crate::rules::DecidedEvent;

pub(super) enum ToWorker {
    Job(Box<Job>),
    Stop,
}

/// Tickets that are durable are forgotten when this many have piled up.
const TICKETS_KEPT_MAX: usize = 8_192;

pub(super) struct Worker {
    number: usize,
    inbox: Receiver<ToWorker>,
    sequencer: Sender<Decided>,
    reader: Reader,
    progress: Arc<Progress>,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    /// By the address of the domain, which the seat keeps alive.
    seats: HashMap<usize, Seat>,
    /// Commands with ids of their callers' that may not be durable yet: a repeated one waits for the first.
    repeatable: HashMap<CommandKey, u64>,
    /// Aggregates whose state was lost before it was durable: the journal tells the truth about them only afterwards.
    lost: HashMap<AggregateKey, u64>,
    ticket: u64,
}

/// What the domain decided, and for whom.
struct Verdict {
    record: Option<EncodedRecord>,
    answer: Result<CommandAck, SubmitError>,
}

impl Worker {
    pub(super) fn new(
        number: usize,
        inbox: Receiver<ToWorker>,
        sequencer: Sender<Decided>,
        reader: Reader,
        progress: Arc<Progress>,
        clock: Arc<Clock>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (seats, repeatable, lost) = Default::default();
        Self { number, inbox, sequencer, reader, progress, clock, metrics, seats, repeatable, lost, ticket: 0 }
    }

    pub(super) fn run(mut self) {
        while let Ok(ToWorker::Job(job)) = self.inbox.recv() {
            self.take(*job);
        }
        self.leave();
    }

    fn take(&mut self, job: Job) {
        // Both say nothing of what is not durable yet, and so need not wait.
        let answer = match self.earlier(&job) {
            Ok(Some(ack)) => Ok(ack),
            Ok(None) => match self.decide(&job) {
                Ok(verdict) => return self.pass_on(job, verdict),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        self.metrics.answered_at_once(&answer);
        job.answer(answer);
    }

    fn decide(&mut self, job: &Job) -> Result<Verdict, SubmitError> {
        if let Some(reason) = self.progress.halted() {
            return Err(SubmitError::ReadOnly(reason));
        }
        self.await_lost(job.key)?;
        let active = job.domain.active();
        let mut warm = match self.warm(job, &active) {
            Ok(warm) => warm,
            Err(error) => return Err(self.failed(job, &active, error)),
        };
        if let Some(expected) = job.command.expected_sequence
            && expected != warm.sequence
        {
            let actual = warm.sequence;
            self.put_back(job, warm);
            return Ok(Verdict { record: None, answer: Err(SubmitError::Conflict { expected, actual }) });
        }
        let id = job.command.id.clone().unwrap_or_else(new_command_id);
        let at_ms = self.clock.now();
        let ticket_before = warm.ticket;
        let command = GuestCommand {
            id: id.as_str(),
            name: job.command.name.as_str(),
            payload: &job.command.payload,
            at_ms: at_ms.0,
            actor: job.command.actor.as_deref(),
        };
        let decision;
        (warm, decision) = match self.seat(job).handle(warm, &command) {
            Ok(handled) => handled,
            Err(error) => {
                self.lose(job.key, ticket_before);
                return Err(self.failed(job, &active, error.into()));
            }
        };
        let (outcome, events) = match decision {
            Ok(events) => (Outcome::Accepted, events),
            Err(reason) => (Outcome::Rejected(reason), Vec::new()),
        };
        let verdict = self.record(job, &active, &mut warm, id, at_ms, outcome, events);
        warm.ticket = self.ticket + 1;
        self.put_back(job, warm);
        Ok(verdict)
    }

    /// Writes the decision down and builds its acknowledgement.
    #[expect(clippy::too_many_arguments, reason = "each is one field of the record")]
    fn record(
        &self,
        job: &Job,
        active: &Active,
        warm: &mut Warm,
        id: CommandId,
        at_ms: polder_core::TimestampMs,
        outcome: Outcome,
        events: Vec<DecidedEvent>,
    ) -> Verdict {
        let command = &job.command;
        let correlation_id = command.correlation_id.clone().unwrap_or_else(|| CorrelationId::from(&id));
        let (status, reason) = match &outcome {
            Outcome::Accepted => (CommandStatus::Accepted, None),
            Outcome::Rejected(reason) => (CommandStatus::Rejected, Some(reason.clone())),
        };
        // Nobody can repeat a command whose id the host made up; without events it leaves nothing worth keeping.
        let is_kept = !events.is_empty() || command.id.is_some();
        let record = is_kept.then(|| {
            let decision = Decision {
                tenant: command.tenant.clone(),
                domain: command.domain.clone(),
                aggregate: command.aggregate.clone(),
                aggregate_id: command.aggregate_id.clone(),
                revision_mark: active.revision.mark(),
                command_id: id.clone(),
                command_name: command.name.clone(),
                fingerprint: Fingerprint::of(&command.name, &command.payload),
                correlation_id: command.correlation_id.clone(),
                causation_id: command.causation_id.clone(),
                actor: command.actor.clone(),
                at_ms,
                outcome,
                sequence_before: warm.sequence,
                events: events.into_iter().map(new_event).collect(),
            };
            let (record, head) = EncodedRecord::encode(&decision, &warm.head);
            warm.sequence = warm.sequence.plus(decision.events.len() as u64);
            warm.head = head;
            record
        });
        let ack = self.acknowledgement(job, active, status, id, warm.sequence, correlation_id, reason);
        Verdict { record, answer: Ok(ack) }
    }

    #[expect(clippy::too_many_arguments, reason = "each is one field of the acknowledgement")]
    fn acknowledgement(
        &self,
        job: &Job,
        active: &Active,
        status: CommandStatus,
        command_id: CommandId,
        sequence: Sequence,
        correlation_id: CorrelationId,
        reason: Option<Reason>,
    ) -> CommandAck {
        CommandAck {
            status,
            command_id,
            aggregate_id: job.command.aggregate_id.clone(),
            sequence,
            position: Position::ZERO,
            correlation_id,
            stream_subject: active.stream_subject(&job.command.aggregate).unwrap_or_default().to_owned(),
            reason,
            repeated: false,
        }
    }

    /// The first acknowledgement of a command that was handled before.
    fn earlier(&mut self, job: &Job) -> Result<Option<CommandAck>, SubmitError> {
        let Some(id) = &job.command.id else { return Ok(None) };
        let key = CommandKey::of(job.key, id);
        if let Some(ticket) = self.repeatable.get(&key) {
            self.progress.wait(self.number, *ticket).map_err(read_only)?;
        }
        let record = match self.reader.decision(key) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(None),
            Err(error) => return Err(SubmitError::ReadOnly(error.to_string())),
        };
        if record.view().fingerprint() != Fingerprint::of(&job.command.name, &job.command.payload) {
            return Err(SubmitError::IdReused(id.clone()));
        }
        Ok(Some(self.repeat(job, id, &record)))
    }

    fn repeat(&self, job: &Job, id: &CommandId, record: &RecordBuf) -> CommandAck {
        let view = record.view();
        let reason = view.reason();
        let status = if reason.is_some() { CommandStatus::Rejected } else { CommandStatus::Accepted };
        let correlation_id = CorrelationId::new(view.correlation_id()).unwrap_or_else(|_| CorrelationId::from(id));
        let active = job.domain.active();
        let ack = self.acknowledgement(job, &active, status, id.clone(), view.sequence(), correlation_id, reason);
        CommandAck { position: view.position(), repeated: true, ..ack }
    }

    /// Everything that changes what the next command sees goes through the sequencer, in order.
    fn pass_on(&mut self, job: Job, verdict: Verdict) {
        self.ticket += 1;
        if let Some(id) = &job.command.id
            && verdict.record.is_some()
        {
            self.forget_durable();
            self.repeatable.insert(CommandKey::of(job.key, id), self.ticket);
        }
        let Job { admission, reply: to, .. } = job;
        let reply = match verdict.answer {
            Ok(ack) => Reply::Acknowledge { ack, to, admission },
            Err(error) => Reply::Refuse { error, to, admission },
        };
        let decided = Decided { ticket: Some((self.number, self.ticket)), record: verdict.record, reply };
        // The sequencer outlives the workers unless it panicked; then the reply's channel closes unanswered.
        drop(self.sequencer.send(decided));
    }

    fn warm(&mut self, job: &Job, active: &Arc<Active>) -> Result<Warm, FoldError> {
        let address = address_of(&job.domain);
        if self.seats.get(&address).is_some_and(|seat| seat.states.revision != active.revision) {
            self.give_up(address);
        }
        if let std::collections::hash_map::Entry::Vacant(vacant) = self.seats.entry(address) {
            vacant.insert(Seat::new(&job.domain, active, job.admission.tenant().limits)?);
        }
        let durable = self.progress.durable(self.number);
        let seat = self.seats.get_mut(&address).expect("put there above when it was missing");
        seat.take(&self.reader, durable, job.key, &job.command.aggregate, &job.command.aggregate_id)
    }

    fn seat(&mut self, job: &Job) -> &mut Seat {
        self.seats.get_mut(&address_of(&job.domain)).expect("a warm state was taken out of it")
    }

    fn put_back(&mut self, job: &Job, warm: Warm) {
        let durable = self.progress.durable(self.number);
        let seat = self.seats.get_mut(&address_of(&job.domain)).expect("a warm state was taken out of it");
        match seat.put(&self.reader, durable, job.key, warm) {
            Ok(Upkeep::Nothing) => {}
            Ok(Upkeep::Replace) => {
                tracing::info!(domain = %job.domain.name, "the guest's memory is nearly full; its states are built anew");
                seat.save_all(&self.reader, durable);
                self.give_up(address_of(&job.domain));
            }
            Err(error) => {
                tracing::warn!(domain = %job.domain.name, %error, "a state could not be put away; all are built anew");
                self.give_up(address_of(&job.domain));
            }
        }
    }

    /// Drops a seat with all its states. The decisions they made stand.
    fn give_up(&mut self, address: usize) {
        let Some(mut seat) = self.seats.remove(&address) else { return };
        for (key, warm) in seat.states.drain() {
            self.lost.insert(key, warm.ticket);
        }
        self.forget_durable();
    }

    fn lose(&mut self, key: AggregateKey, ticket: u64) {
        self.lost.insert(key, ticket);
        self.forget_durable();
    }

    fn await_lost(&mut self, key: AggregateKey) -> Result<(), SubmitError> {
        match self.lost.remove(&key) {
            Some(ticket) => self.progress.wait(self.number, ticket).map_err(read_only),
            None => Ok(()),
        }
    }

    fn forget_durable(&mut self) {
        let durable = self.progress.durable(self.number);
        if self.lost.len() >= TICKETS_KEPT_MAX {
            self.lost.retain(|_, ticket| *ticket > durable);
        }
        if self.repeatable.len() >= TICKETS_KEPT_MAX {
            self.repeatable.retain(|_, ticket| *ticket > durable);
        }
    }

    fn failed(&mut self, job: &Job, active: &Active, error: FoldError) -> SubmitError {
        let fault =
            |reason| SubmitError::GuestFault { domain: job.domain.name.clone(), revision: active.revision, reason };
        match error {
            FoldError::Call(error) => {
                self.metrics.faulted();
                tracing::warn!(domain = %job.domain.name, revision = %active.revision.short(), %error, "a guest failed");
                if error.instance_lost {
                    self.give_up(address_of(&job.domain));
                }
                fault(error.to_string())
            }
            FoldError::Journal(error) => SubmitError::ReadOnly(error.to_string()),
            FoldError::Content(error) => SubmitError::ReadOnly(error.to_string()),
        }
    }

    /// Before the thread ends: what was in constant use is cheap to start with again.
    fn leave(mut self) {
        // Whatever this worker decided is durable or lost by the time the wait ends; only durable states are saved.
        if self.progress.wait(self.number, self.ticket).is_err() {
            return;
        }
        let durable = self.progress.durable(self.number);
        for seat in self.seats.values_mut() {
            seat.save_all(&self.reader, durable);
        }
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

fn read_only(halted: Halted) -> SubmitError {
    SubmitError::ReadOnly(halted.0)
}
