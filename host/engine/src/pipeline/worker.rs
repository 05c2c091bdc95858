//! Decides commands on a lane's thread. A worker runs the rules on the warm state, collects the decisions in a batch,
//! and passes the batch to the appender, which makes it durable and then answers the callers. Meanwhile the worker
//! decides on states that are not durable yet. Until they are durable, no caller is answered, and the worker does not
//! read the journal.

mod failures;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};

use foldhash::HashMap;
use polder_core::{
    Command, CommandAck, CommandId, Fingerprint, Limits, Position, Reason, Revision, Sequence, TimestampMs,
};
use polder_journal::{AggregateKey, CommandKey, EncodedRecord, Reader};
use polder_sandbox::{CallError, CallErrorKind, GuestCommand};

use super::appender::{Appender, Handed};
use super::batch::{Batch, Reply};
use super::cold::FoldError;
use super::conduct::overran_slice;
use super::job::{Message, ReplySender, Target};
use super::kept::KeptSeats;
use super::not_appended::NotAppended;
use super::ready::ReadySeat;
use super::seat::{Seat, TakeError, Upkeep};
use super::share::{share_of, states_leaving};
use super::undurable::Undurable;
use super::verdict::{Verdict, new_command_id, record, repeat};
use super::warm::Warm;
use super::{Grown, Job};
use crate::SubmitError;
use crate::clock::Clock;
use crate::domain::{Active, Domain};
use crate::health::{Audit, Sample, SampledCommand, Withdrawals};
use crate::metrics::Metrics;
use crate::rules::DecidedEvent;
use crate::tenant::Tenant;

/// Bytes that a worker may have passed to the appender without their being durable yet. At this bound it waits.
const UNDURABLE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What all workers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) appender: Arc<Appender>,
    pub(super) reader: Reader,
    pub(super) clock: Arc<Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) grown: Arc<Grown>,
    /// `None` when no commands are audited.
    pub(super) audit: Option<Audit>,
    pub(super) withdrawals: Withdrawals,
    pub(super) worker_count: usize,
    pub(super) peers: Peers,
}

/// All workers of the fast lane, for requests from one worker to the others.
#[derive(Clone, Default)]
pub(super) struct Peers(Arc<OnceLock<Vec<Sender<Message>>>>);

impl Peers {
    pub(super) fn set(&self, workers: Vec<Sender<Message>>) {
        assert!(self.0.set(workers).is_ok(), "the workers are started once");
    }

    /// Asks all other workers to release unused guest memory.
    fn ask_for_memory(&self, asking: Option<usize>) {
        for (number, peer) in self.0.get().into_iter().flatten().enumerate() {
            if Some(number) != asking {
                // A worker that is gone holds no memory.
                drop(peer.send(Message::GiveMemoryBack));
            }
        }
    }
}

pub(super) struct Worker {
    /// `None` on the slow lane, for which no states are made ready.
    number: Option<usize>,
    appender: Arc<Appender>,
    reader: Reader,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    grown: Arc<Grown>,
    audit: Option<Audit>,
    withdrawals: Withdrawals,
    allowance: fn(&Limits) -> Limits,
    worker_count: usize,
    peers: Peers,
    /// Counts the states put back. It serves as the clock of LRU eviction.
    commands: u64,
    /// Keyed by the address of the domain. The seat keeps the domain alive, so the address stays valid.
    seats: HashMap<usize, Seat>,
    kept: KeptSeats,
    batch: Batch,
    /// Whether the appender was informed that more records will come.
    is_deciding: bool,
    /// Number of the batch that is being decided.
    batch_number: u64,
    /// The generation in which the states were built: see [`Appender::generation`].
    generation: u64,
    undurable: Undurable,
    /// Samples of the decisions in the batch, for the audit.
    samples: Vec<Sample>,
    /// Addresses of the seats whose calls are not reported yet.
    unreported: Vec<usize>,
}

/// A domain's decision, with the state it was made on.
pub(super) struct Ruling {
    target: Target,
    to: ReplySender,
    verdict: Verdict,
    repeatable: Option<CommandKey>,
    generation: u64,
    warm: Warm,
    sample: Option<Box<Sample>>,
}

impl Ruling {
    pub(super) fn split(self) -> (Unsettled, DecidedOn) {
        let Self { target, to, verdict, repeatable, generation, warm, sample } = self;
        let Target { domain, key, admission, passage } = target;
        let reply = Reply { answer: verdict.answer, to, admission, _passage: passage };
        let unsettled = Unsettled { reply, record: verdict.record, repeatable, generation };
        (unsettled, DecidedOn { domain, key, warm, sample })
    }
}

/// The state of a decision, to be put back into its seat.
pub(super) struct DecidedOn {
    domain: Arc<Domain>,
    key: AggregateKey,
    warm: Warm,
    sample: Option<Box<Sample>>,
}

/// A decision on its way to the journal.
pub(super) struct Unsettled {
    reply: Reply,
    record: Option<EncodedRecord>,
    repeatable: Option<CommandKey>,
    generation: u64,
}

/// Identity and time of a command. They stay the same if its rules run more than once.
pub(super) struct Asked {
    pub(super) id: CommandId,
    pub(super) at_ms: TimestampMs,
}

/// The result of running the rules.
enum Attempt {
    Decided(Warm, Decision, Option<Box<Sample>>),
    /// The rules were not called: the aggregate is at another sequence than the caller expects.
    Conflict(Warm, SubmitError),
}

pub(super) type Decision = Result<Vec<DecidedEvent>, Reason>;

/// Why there is no decision.
enum Failure {
    Refused(SubmitError),
    /// The call exceeded its slice and was cut off, without effect.
    Overran(Box<Command>),
}

impl Worker {
    /// `allowance` reduces the tenant's limits to what one call may use on this lane.
    pub(super) fn new(shared: Shared, number: Option<usize>, allowance: fn(&Limits) -> Limits) -> Self {
        let Shared { appender, reader, clock, metrics, grown, audit, withdrawals, worker_count, peers } = shared;
        let generation = appender.generation();
        Self {
            number,
            appender,
            reader,
            clock,
            metrics,
            grown,
            audit,
            withdrawals,
            allowance,
            worker_count,
            peers,
            commands: 0,
            seats: HashMap::default(),
            kept: KeptSeats::default(),
            batch: Batch::default(),
            batch_number: 1,
            generation,
            is_deciding: false,
            undurable: Undurable::default(),
            samples: Vec::new(),
            unreported: Vec::new(),
        }
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Saves the states that are worth it before the thread ends, so that the next start need not rebuild them.
    pub(super) fn save_all(&mut self) {
        self.settle();
        for seat in self.seats.values_mut() {
            seat.save_all(&self.reader);
        }
    }

    /// Releases the instances, with their memory, that no command has used since the previous call.
    pub(super) fn rest(&mut self) {
        self.settle();
        let reader = &self.reader;
        self.seats.retain(|_, seat| {
            let was_used = std::mem::take(&mut seat.was_used);
            if !was_used {
                seat.save_all(reader);
            }
            was_used
        });
        self.kept.age();
    }

    pub(super) fn has_seat(&self, address: usize) -> bool {
        self.seats.contains_key(&address)
    }

    /// Whether the worker holds no instance that it could release.
    pub(super) fn is_at_rest(&self) -> bool {
        self.seats.is_empty() && self.kept.is_empty()
    }

    /// Decides a command. Answers at once if the answer does not depend on records that are not durable yet; otherwise
    /// returns the decision.
    ///
    /// # Errors
    /// Returns the job itself when its call exceeded its slice.
    pub(super) fn rule(&mut self, job: Job) -> Result<Option<Ruling>, Box<Job>> {
        if self.is_outdated() {
            self.settle();
        }
        let Job { command, target, reply } = job;
        let repeatable = command.id.as_ref().map(|id| CommandKey::of(target.key, id));
        if repeatable.as_ref().is_some_and(|command| self.batch.holds(command) || self.undurable.holds(command)) {
            // The first command must be in the journal, because the answer to the second is read from there.
            self.settle();
        }
        let answer = match self.earlier(&command, repeatable) {
            Ok(Some(ack)) => Ok(ack),
            Ok(None) => match self.decide(&target, command) {
                Ok((verdict, warm, sample)) => {
                    let generation = self.generation;
                    return Ok(Some(Ruling { target, to: reply, verdict, repeatable, generation, warm, sample }));
                }
                Err(Failure::Overran(command)) => return Err(Box::new(Job { command: *command, target, reply })),
                Err(Failure::Refused(error)) => Err(error),
            },
            Err(error) => Err(error),
        };
        // This answer does not depend on records that are not durable yet, so it need not wait.
        self.metrics.answered(&answer);
        // The caller may be gone. Then the answer is dropped.
        drop(reply.send(answer));
        Ok(None)
    }

    fn decide(&mut self, target: &Target, command: Command) -> Result<(Verdict, Warm, Option<Box<Sample>>), Failure> {
        if let Some(trouble) = self.appender.trouble() {
            return Err(Failure::Refused(trouble.into()));
        }
        let active = target.domain.active();
        let at_ms = self.clock.now();
        let asked = Asked { id: command.id.clone().unwrap_or_else(|| new_command_id(at_ms)), at_ms };
        let mut tried = self.attempt(target, &active, &command, &asked);
        if tried.as_ref().is_err_and(|error| self.may_be_worn_out(target, error)) {
            tracing::info!(domain = %target.domain.name, "a guest instance failed; its command is run once more, in a fresh instance");
            self.metrics.ran_again();
            self.give_up(address_of(&target.domain));
            tried = self.attempt(target, &active, &command, &asked);
        }
        let (mut warm, decision, sample) = match tried {
            Ok(Attempt::Decided(warm, decision, sample)) => (warm, decision, sample),
            Ok(Attempt::Conflict(warm, conflict)) => {
                return Ok((Verdict { record: None, answer: Err(conflict) }, warm, None));
            }
            Err(error) => return Err(self.failed(target, &active, command, error)),
        };
        let verdict = record(target.key, &active, &mut warm, command, asked, decision);
        warm.batch = self.batch_number;
        Ok((verdict, warm, sample))
    }

    /// Runs the rules once. The decision is not recorded yet.
    fn attempt(
        &mut self,
        target: &Target,
        active: &Arc<Active>,
        command: &Command,
        asked: &Asked,
    ) -> Result<Attempt, FoldError> {
        let mut warm = self.warm(target, active, command)?;
        if let Some(expected) = command.expected_sequence
            && expected != warm.sequence
        {
            let actual = warm.sequence;
            return Ok(Attempt::Conflict(warm, SubmitError::Conflict { expected, actual }));
        }
        let guest_command = GuestCommand {
            id: asked.id.as_str(),
            name: command.name.as_str(),
            payload: &command.payload,
            at_ms: asked.at_ms.0,
            actor: command.actor.as_deref(),
        };
        let decision;
        (warm, decision) = self.seat(target).handle(warm, &guest_command)?;
        let is_sampled = self.audit.is_some() && self.seat(target).is_sampled();
        let sample = is_sampled.then(|| sample(target, active, command, asked, warm.sequence, &decision));
        Ok(Attempt::Decided(warm, decision, sample))
    }

    /// The first acknowledgement of a command that was handled before, or `None` for a new command.
    fn earlier(&self, command: &Command, repeatable: Option<CommandKey>) -> Result<Option<CommandAck>, SubmitError> {
        let (Some(id), Some(key)) = (&command.id, repeatable) else { return Ok(None) };
        let record = match self.reader.decision(key) {
            Ok(Some(record)) => record,
            Ok(None) => return Ok(None),
            Err(error) => return Err(SubmitError::ReadOnly(error.to_string())),
        };
        let was_rejected = record.view().reason().is_some();
        if was_rejected && command.retry_rejected {
            return Ok(None);
        }
        if record.view().fingerprint() != Fingerprint::of(&command.name, &command.payload) {
            return Err(SubmitError::IdReused { id: id.clone(), was_rejected });
        }
        Ok(Some(repeat(command, id, &record)))
    }

    /// Adds the decision to the batch and puts the state back.
    pub(super) fn keep(&mut self, ruling: Ruling) {
        let (unsettled, decided_on) = ruling.split();
        self.keep_unsettled(unsettled);
        // The order matters: putting the state back may drop all states, and then their decisions must be durable.
        self.put_back(decided_on);
    }

    /// Puts back the state of a decision that another thread has made durable.
    pub(super) fn put_back_durable(&mut self, mut decided_on: DecidedOn) {
        if self.is_outdated() {
            // The state may hold changes that are not in the journal.
            return self.begin_anew();
        }
        decided_on.warm.batch = 0;
        self.put_back(decided_on);
        self.report_calls();
        if let Some(audit) = &self.audit {
            self.samples.drain(..).for_each(|sample| audit.offer(Box::new(sample)));
        }
    }

    pub(super) fn keep_unsettled(&mut self, unsettled: Unsettled) {
        let Unsettled { reply, record, repeatable, generation } = unsettled;
        self.batch.push(reply, record, repeatable, generation);
    }

    /// Passes the batch to the appender, which makes it durable and answers its callers. With `has_more` the appender's
    /// thread does it, because this worker has more to decide. Without it this thread appends, unless the appender
    /// leaves it to its own thread.
    pub(super) fn hand_over(&mut self, has_more: bool) {
        // With an empty batch there is still one reason to go on: the appender waits for records that were announced.
        if self.batch.is_empty() && (has_more || !self.is_deciding) {
            return;
        }
        let handed = self.take_batch(None);
        self.announce(has_more);
        if has_more {
            self.appender.leave(handed);
        } else {
            self.appender.append(handed);
        }
        if self.undurable.bytes() >= UNDURABLE_BYTES_MAX {
            self.settle();
        }
    }

    /// Blocks until all decisions of this worker are durable.
    pub(super) fn settle(&mut self) {
        if !self.batch.is_empty() || !self.undurable.is_empty() {
            let (signal, done) = channel();
            let handed = self.take_batch(Some(signal));
            self.announce(false);
            self.appender.append(handed);
            // Nothing is ever sent on this channel. It closes when the batch is durable, and so are all batches before
            // it.
            let _ = done.recv();
        }
        if self.is_outdated() {
            self.begin_anew();
        }
    }

    /// Whether the states may hold changes that are not in the journal, because an append failed since they were built.
    fn is_outdated(&self) -> bool {
        self.appender.is_halted() || self.appender.generation() != self.generation
    }

    /// Drops all states, so that they are rebuilt from the journal. Call it only when the appender has answered for
    /// every batch.
    fn begin_anew(&mut self) {
        self.seats.clear();
        self.unreported.clear();
        self.samples.clear();
        self.undurable.forget_all();
        self.generation = self.appender.generation();
    }

    fn announce(&mut self, is_deciding: bool) {
        match (std::mem::replace(&mut self.is_deciding, is_deciding), is_deciding) {
            (false, true) => self.appender.decide(),
            (true, false) => self.appender.decided(),
            _ => {}
        }
    }

    fn take_batch(&mut self, signal: Option<Sender<()>>) -> Handed {
        self.report_calls();
        let mut batch = std::mem::take(&mut self.batch);
        let (records, samples, number) = (batch.take_records(), std::mem::take(&mut self.samples), self.batch_number);
        let generation = batch.generation();
        self.undurable.push(number, batch.take_repeatable(), batch.bytes());
        self.batch_number += 1;
        let (progress, audit) = (self.undurable.progress(), self.audit.clone().filter(|_| !samples.is_empty()));
        let (reader, grown, metrics) = (self.reader.clone(), Arc::clone(&self.grown), Arc::clone(&self.metrics));
        let notify = move |appended: Result<&[Position], &NotAppended>| {
            match appended {
                Ok(positions) => {
                    progress.reached(number);
                    batch.durable(positions, |tenant| reader.last_position(tenant), &grown, &metrics);
                    for sample in samples {
                        // Samples are only taken where there is an audit.
                        if let Some(audit) = &audit {
                            audit.offer(Box::new(sample));
                        }
                    }
                }
                Err(why) => batch.lost(why, &metrics),
            }
            drop(signal);
        };
        Handed { records, generation, notify: Box::new(notify) }
    }

    fn warm(&mut self, target: &Target, active: &Arc<Active>, command: &Command) -> Result<Warm, FoldError> {
        loop {
            match self.taken(target, active, command) {
                Ok(warm) => return Ok(warm),
                Err(TakeError::Fold(error)) => return Err(error),
                // The next round builds the state again, and a state that was just built needs no saving.
                Err(TakeError::Saving(error)) if overran_slice(&error.kind, &limits_of(target)) => {
                    return Err(error.into());
                }
                Err(TakeError::Saving(_)) => {
                    self.metrics.faulted();
                    self.give_up(address_of(&target.domain));
                }
            }
        }
    }

    fn taken(&mut self, target: &Target, active: &Arc<Active>, command: &Command) -> Result<Warm, TakeError> {
        let address = address_of(&target.domain);
        let limits = share_of((self.allowance)(&limits_of(target)), self.worker_count);
        let owner = (target.admission.tenant(), &target.domain);
        if self.seats.get(&address).is_none_or(|seat| !seat.suits(active, &limits)) {
            self.take_ready(owner, active);
        }
        if self.seats.get(&address).is_some_and(|seat| !seat.suits(active, &limits)) {
            self.give_up(address);
        }
        if !self.seats.contains_key(&address) {
            let seat = self.new_seat(owner, active, limits).map_err(|error| TakeError::Fold(error.into()))?;
            self.seats.insert(address, seat);
        }
        let durable = self.undurable.durable();
        let seat = self.seats.get_mut(&address).expect("put there above when it was missing");
        seat.take(&self.reader, durable, target.key, &command.aggregate, &command.aggregate_id)
    }

    /// Creates a seat. When the host has no memory left for it, releases seats first, least recently used first.
    fn new_seat(
        &mut self,
        owner: (&Arc<Tenant>, &Arc<Domain>),
        active: &Arc<Active>,
        limits: Limits,
    ) -> Result<Seat, CallError> {
        loop {
            match Seat::new(owner, active, limits) {
                Err(error) if error.host_memory().is_some() && self.give_memory_back() => {}
                made => return made,
            }
        }
    }

    /// Like [`give_own_memory_back`](Self::give_own_memory_back). If this worker holds no memory, it asks the others to
    /// release some, which helps the next command.
    fn give_memory_back(&mut self) -> bool {
        let had_any = self.give_own_memory_back();
        if !had_any {
            self.peers.ask_for_memory(self.number);
        }
        had_any
    }

    /// Releases unused guest memory: the seats kept of former revisions, else the least recently used seat. Returns
    /// whether there was any.
    pub(super) fn give_own_memory_back(&mut self) -> bool {
        if self.kept.clear() {
            return true;
        }
        let oldest = self.seats.iter().min_by_key(|(_, seat)| seat.used).map(|(&address, _)| address);
        oldest.into_iter().for_each(|address| self.leave(address));
        oldest.is_some()
    }

    fn seat(&mut self, target: &Target) -> &mut Seat {
        self.seats.get_mut(&address_of(&target.domain)).expect("a warm state was taken out of it")
    }

    fn put_back(&mut self, decided_on: DecidedOn) {
        let DecidedOn { domain, key, warm, sample } = decided_on;
        let address = address_of(&domain);
        self.commands += 1;
        let seat = self.seats.get_mut(&address).expect("the warm state was taken out of it");
        if seat.calls_unreported == 0 {
            self.unreported.push(address);
        }
        let state = sample.as_ref().map(|_| seat.inspected(&warm)).transpose();
        let upkeep = seat.put(key, warm, self.commands);
        let sample = match state {
            Ok(state) => sample.map(|sample| Sample { state: state.flatten(), ..*sample }),
            Err(error) => return self.could_not_put_away(address, &domain, &error),
        };
        let (sample, audited_now) = match sample {
            Some(sample) if self.number.is_some() && seat.is_audited_now(&sample) => (None, Some(sample)),
            sample => (sample, None),
        };
        self.samples.extend(sample);
        match upkeep {
            Upkeep::Nothing => {}
            Upkeep::Check => self.hold_to_share(address),
            Upkeep::Replace => {
                tracing::info!(domain = %domain.name, "the guest's memory is nearly full; its states are rebuilt");
                self.leave(address);
            }
        }
        // This is the last step, because it may drop all states.
        audited_now.into_iter().for_each(|sample| self.audit_now(sample));
    }

    /// Audits a sample on this thread. On a busy machine the audit's own thread may not run for a thousand commands.
    fn audit_now(&mut self, sample: Sample) {
        self.settle();
        if let Some(audit) = self.audit.as_ref().filter(|_| self.appender.trouble().is_none()) {
            let limits = (self.allowance)(&sample.limits);
            audit.run_now(Box::new(sample), &self.reader, &limits);
        }
    }

    /// Evicts the states and seats with which a tenant exceeds its share of guest memory, least recently used first.
    /// The seat in use stays.
    fn hold_to_share(&mut self, address: usize) {
        let seat = &self.seats[&address];
        let (tenant, share) = (Arc::clone(&seat.tenant), *seat.limits());
        let in_use = || {
            let own = self.seats.values().filter(|seat| Arc::ptr_eq(&seat.tenant, &tenant));
            own.map(Seat::keeps).fold((0, 0), |(states, bytes), more| (states + more.0, bytes + more.1))
        };
        self.kept.hold_to_share(&tenant, in_use, &share);
        let (states, memory_bytes) = in_use();
        let own = || self.seats.iter().filter(|(_, seat)| Arc::ptr_eq(&seat.tenant, &tenant));
        if memory_bytes > share.guest_memory_bytes_max {
            let others = own().filter(|(other, _)| **other != address);
            if let Some((&oldest, _)) = others.min_by_key(|(_, seat)| seat.used) {
                return self.leave(oldest);
            }
        }
        let leaving = states_leaving(states, &share);
        if leaving == 0 {
            return;
        }
        let durable = self.undurable.durable();
        let mut ages: Vec<_> = own()
            .flat_map(|(address, seat)| seat.states.ages(durable).map(|(used, key)| (used, *address, key)))
            .collect();
        if ages.len() > leaving {
            ages.select_nth_unstable(leaving);
            ages.truncate(leaving);
        }
        for (_, address, key) in ages {
            let Some(seat) = self.seats.get_mut(&address) else { continue };
            if let Err(error) = seat.evict(&self.reader, key) {
                let domain = Arc::clone(seat.domain());
                self.could_not_put_away(address, &domain, &error);
            }
        }
    }

    /// Saves a seat's states and releases it.
    fn leave(&mut self, address: usize) {
        self.settle();
        if let Some(mut seat) = self.seats.remove(&address) {
            seat.save_all(&self.reader);
        }
    }

    fn could_not_put_away(&mut self, address: usize, domain: &Domain, error: &CallError) {
        tracing::warn!(domain = %domain.name, %error, "a state could not be put back or saved; all states of the domain are rebuilt");
        if let CallErrorKind::OutOfFuel { .. } | CallErrorKind::OutOfTime { .. } = error.kind {
            domain.conduct.overran();
        }
        self.give_up(address);
    }

    fn report_calls(&mut self) {
        for address in self.unreported.drain(..) {
            if let Some(seat) = self.seats.get_mut(&address) {
                seat.report_calls();
            }
        }
    }

    /// Switches to the states that were made ready for the domain's new revision, if there are any.
    pub(super) fn switch(&mut self, (tenant, domain): (&Arc<Tenant>, &Arc<Domain>)) {
        self.take_ready((tenant, domain), &domain.active());
    }

    fn take_ready(&mut self, (tenant, domain): (&Arc<Tenant>, &Arc<Domain>), active: &Arc<Active>) {
        let Some(ready) = self.number.and_then(|number| active.ready.take(number)) else { return };
        // The decisions of the former revision must be in the journal, where states that are behind read them.
        self.settle();
        let address = address_of(domain);
        let before = self.seats.remove(&address);
        self.seats.insert(address, Seat::from_ready((tenant, domain), active, ready, before.as_ref()));
        let position = self.reader.last_position(&tenant.name);
        let before = before.filter(|before| before.states.revision != active.revision);
        self.kept.replace(address, before, position);
    }

    /// The seat kept of this revision, with the position up to which it is current.
    pub(super) fn reclaim(&mut self, domain: &Arc<Domain>, revision: Revision) -> Option<(ReadySeat, Position)> {
        self.kept.reclaim(address_of(domain), revision)
    }

    /// Drops a seat with all its states. Their decisions stand, and are made durable first, because the states are
    /// rebuilt from the journal.
    pub(super) fn give_up(&mut self, address: usize) {
        self.settle();
        self.seats.remove(&address);
    }
}

/// What the audit needs to run the command again. The state is added when it is put back.
fn sample(
    target: &Target,
    active: &Arc<Active>,
    command: &Command,
    asked: &Asked,
    sequence_before: Sequence,
    decision: &Decision,
) -> Box<Sample> {
    Box::new(Sample {
        tenant: Arc::clone(target.admission.tenant()),
        domain: Arc::clone(&target.domain),
        active: Arc::clone(active),
        limits: limits_of(target),
        key: target.key,
        sequence_before,
        command: SampledCommand {
            aggregate: command.aggregate.clone(),
            aggregate_id: command.aggregate_id.clone(),
            id: asked.id.clone(),
            name: command.name.clone(),
            payload: command.payload.clone(),
            at_ms: asked.at_ms,
            actor: command.actor.clone(),
        },
        decision: decision.clone(),
        state: None,
    })
}

fn limits_of(target: &Target) -> Limits {
    target.admission.tenant().limits()
}

pub(super) fn address_of(domain: &Arc<Domain>) -> usize {
    Arc::as_ptr(domain).addr()
}
