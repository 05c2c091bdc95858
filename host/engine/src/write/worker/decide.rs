//! The rules of the domain model for one command, in this order:
//!
//! 1. Idempotency: a command id that was handled before gets its first acknowledgement.
//! 2. Optimistic concurrency: a command that expects another sequence of its aggregate is refused.
//! 3. The domain decides, in the sandbox.
//! 4. The decision becomes a record, and the state in memory takes its events in.

use super::*;

/// A domain's decision, with the state it was made on.
pub(in crate::write) struct Decided {
    pub(super) target: Target,
    pub(super) to: ReplySender,
    pub(super) verdict: Verdict,
    pub(super) repeatable: Option<CommandKey>,
    pub(super) generation: u64,
    pub(super) warm: Warm,
    pub(super) sample: Option<Box<Sample>>,
}

impl Decided {
    pub(in crate::write) fn split(self) -> (PendingReply, StateAfter) {
        let Self { target, to, verdict, repeatable, generation, warm, sample } = self;
        let Target { domain, key, admission, in_flight, .. } = target;
        let reply = Reply { answer: verdict.answer, to, admission, _in_flight: in_flight };
        let pending_reply = PendingReply { reply, record: verdict.record, repeatable, generation };
        (pending_reply, StateAfter { domain, key, warm, sample })
    }
}

/// The result of running the rules.
enum Attempt {
    Decided(Warm, GuestDecision, Option<Box<Sample>>),
    /// The rules were not called: the aggregate is at another sequence than the caller expects.
    Conflict(Warm, SubmitError),
}

impl Worker {
    /// Decides a command. Answers at once if the answer does not depend on records that are not durable yet; otherwise
    /// returns the decision.
    ///
    /// # Errors
    /// Returns the job itself when its call exceeded its slice.
    pub(in crate::write) fn rule(&mut self, job: Job) -> Result<Option<Decided>, Box<Job>> {
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
                    return Ok(Some(Decided { target, to: reply, verdict, repeatable, generation, warm, sample }));
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

    pub(super) fn decide(
        &mut self,
        target: &Target,
        command: Command,
    ) -> Result<(Verdict, Warm, Option<Box<Sample>>), Failure> {
        if let Some(trouble) = self.appender.trouble() {
            return Err(Failure::Refused(trouble.into()));
        }
        let active = target.domain.active();
        if active.revision != target.checked_by {
            active.check_names(&command).map_err(Failure::Refused)?;
        }
        let at_ms = self.clock.now();
        let asked = CommandIdentity { id: command.id.clone().unwrap_or_else(|| new_command_id(at_ms)), at_ms };
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
        asked: &CommandIdentity,
    ) -> Result<Attempt, FoldError> {
        let mut warm = self.warm(target, active, command)?;
        if let Err(conflict) = check_expected_sequence(command, warm.sequence) {
            return Ok(Attempt::Conflict(warm, conflict));
        }
        let guest_command = GuestCommand {
            id: asked.id.as_str(),
            name: command.name.as_str(),
            payload: &command.payload,
            at_ms: asked.at_ms.0,
            actor: command.actor.as_deref(),
        };
        let decision;
        (warm, decision) = self.resident(target).handle(warm, &guest_command)?;
        let is_sampled = self.audit.is_some() && self.resident(target).is_sampled();
        let sample = is_sampled.then(|| sample(target, active, command, asked, warm.sequence, &decision));
        Ok(Attempt::Decided(warm, decision, sample))
    }

    /// The first acknowledgement of a command that was handled before, or `None` for a new command.
    fn earlier(&self, command: &Command, repeatable: Option<CommandKey>) -> Result<Option<CommandAck>, SubmitError> {
        let (Some(id), Some(key)) = (&command.id, repeatable) else { return Ok(None) };
        first_acknowledgement(&self.reader, command, id, key)
    }
}

/// What the audit needs to run the command again. The state is added when it is put back.
fn sample(
    target: &Target,
    active: &Arc<Active>,
    command: &Command,
    asked: &CommandIdentity,
    sequence_before: Sequence,
    decision: &GuestDecision,
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
