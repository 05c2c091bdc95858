//! One domain's place on one worker: the instance that runs its active revision, and the warm states in it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use polder_core::{AggregateId, AggregateName, Limits, Reason, Sequence};
use polder_journal::{AggregateKey, Reader};
use polder_sandbox::{CallError, GuestCommand};

use super::audit::{STATE_BYTES_MAX, Sample, is_sampled};
use super::prepared::PreparedInstance;
use super::share::commands_per_check;
use super::snapshots;
use super::warm::{Warm, WarmStates};
use crate::folding::{EVENTS_PER_CALL, FoldError, Folded, Wanted, fold_history, fold_on};
use crate::tenancy::{Active, CircuitAction, DecidedEvent, Domain, RulesInstance, Tenant};

/// Time that a resident may take to save its states when it is released.
const SAVING_TIME_MAX: Duration = Duration::from_millis(50);
/// Percentage of its memory limit at which an instance is replaced. Guest memory never shrinks, and reaching the limit
/// would cause the next command to fail.
const MEMORY_PERCENT_MAX: u64 = 75;
/// Percentage of the commands' time that inspecting states for samples may take.
const SAMPLING_PERCENT_MAX: u128 = 1;
/// Assumed duration of a command for that calculation, in nanoseconds.
const COMMAND_NS: u128 = 3_000;
/// Number of the command from which that bound applies. Before it there are few samples, and all are taken.
const SAMPLED_FREELY: u64 = 256;

pub(super) struct ResidentInstance {
    /// Tenant and domain are kept alive, so that their addresses stay valid as keys.
    pub(super) tenant: Arc<Tenant>,
    domain: Arc<Domain>,
    active: Arc<Active>,
    limits: Limits,
    instance: Box<dyn RulesInstance>,
    pub(super) states: WarmStates,
    /// Whether the resident was used since the last check for unused instances.
    pub(super) was_used: bool,
    /// The worker's command counter at the last use.
    pub(super) used: u64,
    commands: u64,
    /// Calls since the last report on the health of the revision.
    pub(super) calls_unreported: u64,
    /// No command before this number is sampled, because inspecting a large state takes long.
    sampled_next: u64,
    /// Whether no command has run in the instance yet.
    pub(super) is_fresh: bool,
    /// Whether the worker has audited one of the resident's commands itself.
    was_audited: bool,
}

/// Why a state could not be taken.
pub(super) enum TakeError {
    Fold(FoldError),
    /// The guest failed while it saved the state for a snapshot, which the command itself does not need.
    Saving(CallError),
}

/// The maintenance that a resident needs after a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Upkeep {
    Nothing,
    /// It is time to check what its tenant keeps in memory.
    Check,
    /// Its memory is nearly used up.
    Replace,
}

impl ResidentInstance {
    pub(super) fn new(
        (tenant, domain): (&Arc<Tenant>, &Arc<Domain>),
        active: &Arc<Active>,
        limits: Limits,
    ) -> Result<Self, CallError> {
        let instance = active.rules.instantiate(&limits)?;
        let ready = PreparedInstance { limits, instance, states: WarmStates::new(active.revision) };
        Ok(Self { is_fresh: true, ..Self::from_ready((tenant, domain), active, ready, None) })
    }

    /// Creates a resident with states that were built before. `before` is the resident it replaces; all states of that
    /// resident are durable.
    pub(super) fn from_ready(
        (tenant, domain): (&Arc<Tenant>, &Arc<Domain>),
        active: &Arc<Active>,
        ready: PreparedInstance,
        before: Option<&Self>,
    ) -> Self {
        let PreparedInstance { limits, instance, mut states } = ready;
        if let Some(before) = before {
            states.compare(&before.states);
        }
        Self {
            tenant: Arc::clone(tenant),
            domain: Arc::clone(domain),
            active: Arc::clone(active),
            limits,
            instance,
            states,
            was_used: true,
            used: 0,
            commands: 0,
            calls_unreported: 0,
            sampled_next: 0,
            is_fresh: false,
            was_audited: false,
        }
    }

    /// The resident's instance and states, for when its revision comes back. All states must be durable.
    pub(super) fn into_ready(self) -> PreparedInstance {
        let Self { limits, instance, mut states, .. } = self;
        states.leave_behind();
        PreparedInstance { limits, instance, states }
    }

    /// Whether the resident runs this revision under these limits.
    pub(super) fn suits(&self, active: &Active, limits: &Limits) -> bool {
        self.states.revision == active.revision && self.limits == *limits
    }

    /// Takes the aggregate's state out of the warm states, or builds it from the journal.
    pub(super) fn take(
        &mut self,
        reader: &Reader,
        durable: u64,
        key: AggregateKey,
        aggregate: &AggregateName,
        id: &AggregateId,
    ) -> Result<Warm, TakeError> {
        if let Some(mut warm) = self.states.take(key) {
            if warm.is_behind {
                warm = catch_up(&mut *self.instance, reader, key, warm).map_err(TakeError::Fold)?;
            }
            // Saving here and not after the command has a reason: by now the aggregate's last decision is likely to be
            // durable.
            if warm.is_due_in_use() && warm.batch <= durable {
                self.save(reader, key, &mut warm).map_err(TakeError::Saving)?;
            }
            return Ok(warm);
        }
        let wanted = Wanted { key, aggregate, id, revision: &self.active.revision };
        let folded = fold_history(&mut *self.instance, reader, wanted, Sequence(u64::MAX)).map_err(TakeError::Fold)?;
        Ok(folded.into())
    }

    /// `(state, command) -> (state, events)`. On an error the state is gone.
    pub(super) fn handle(
        &mut self,
        mut warm: Warm,
        command: &GuestCommand<'_>,
    ) -> Result<(Warm, Result<Vec<DecidedEvent>, Reason>), CallError> {
        let handled = self.instance.handle(warm.state, command)?;
        self.is_fresh = false;
        warm.state = handled.state;
        Ok((warm, handled.decision))
    }

    /// Puts the state back. `used` is the worker's command counter, for LRU eviction.
    pub(super) fn put(&mut self, key: AggregateKey, warm: Warm, used: u64) -> Upkeep {
        self.states.put(key, Warm { used, ..warm });
        (self.was_used, self.used) = (true, used);
        self.calls_unreported += 1;
        self.commands += 1;
        match self.commands.is_multiple_of(commands_per_check(&self.limits)) {
            false => Upkeep::Nothing,
            true if is_nearly_full(&*self.instance, &self.limits) => Upkeep::Replace,
            true => Upkeep::Check,
        }
    }

    /// The tenant's limits for this worker.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn domain(&self) -> &Arc<Domain> {
        &self.domain
    }

    /// Number of states, and guest memory in bytes.
    pub(super) fn keeps(&self) -> (u64, u64) {
        (self.states.len() as u64, self.instance.memory_bytes())
    }

    /// Whether the command that is being decided is sampled for the audit.
    pub(super) fn is_sampled(&self) -> bool {
        let number = self.commands + 1;
        is_sampled(number) && (number < SAMPLED_FREELY || number >= self.sampled_next)
    }

    /// Whether the worker must audit the sample itself, at once. This is so for the instance's first sample that fits
    /// into a slice.
    pub(super) fn is_audited_now(&mut self, sample: &Sample) -> bool {
        let is_first = !self.was_audited && sample.sequence_before.0 <= EVENTS_PER_CALL as u64;
        self.was_audited |= is_first;
        is_first
    }

    /// The state as JSON, for a sample; `None` when it is too long or cannot be shown.
    pub(super) fn inspected(&mut self, warm: &Warm) -> Result<Option<String>, CallError> {
        let began = Instant::now();
        let state = match self.instance.inspect(&warm.state) {
            Ok(state) => state,
            // The state cannot be shown, but the instance is intact.
            Err(error) if !error.instance_lost => return Ok(None),
            Err(error) => return Err(error),
        };
        let commands = began.elapsed().as_nanos() / COMMAND_NS * 100 / SAMPLING_PERCENT_MAX;
        self.sampled_next = self.commands.saturating_add(u64::try_from(commands).unwrap_or(u64::MAX));
        Ok(Some(state).filter(|state| state.len() <= STATE_BYTES_MAX))
    }

    pub(super) fn report_calls(&mut self) {
        let calls = std::mem::take(&mut self.calls_unreported);
        if self.active.health.ended_well(calls) == Some(CircuitAction::Mend) {
            tracing::info!(domain = %self.domain.name, "a domain works again, and takes all commands");
        }
    }

    /// Saves the states that are worth it, before the resident is released. All its states must be durable. A snapshot
    /// is only a shortcut, so states that cannot be saved within [`SAVING_TIME_MAX`] are dropped: other tenants wait
    /// for this worker. Saving ends with the resident's own tenant, because the caller may work for another one.
    pub(super) fn save_all(&mut self, reader: &Reader) {
        let tenant = Arc::clone(&self.tenant);
        tenant.ended().scope(|| self.save_in_time(reader));
    }

    fn save_in_time(&mut self, reader: &Reader) {
        let began = Instant::now();
        for (key, mut warm) in self.states.drain().collect::<Vec<_>>() {
            if began.elapsed() >= SAVING_TIME_MAX {
                return;
            }
            if warm.is_due_when_leaving() && self.save(reader, key, &mut warm).is_err() {
                // The guest failed, and all its states are lost.
                return;
            }
        }
    }

    /// Removes a state from guest memory, after saving it if that is worth it. The state must be durable.
    pub(super) fn evict(&mut self, reader: &Reader, key: AggregateKey) -> Result<(), CallError> {
        let Some(mut warm) = self.states.take(key) else { return Ok(()) };
        if warm.is_due_when_leaving() {
            self.save(reader, key, &mut warm)?;
        }
        self.instance.discard(warm.state)
    }

    fn save(&mut self, reader: &Reader, key: AggregateKey, warm: &mut Warm) -> Result<(), CallError> {
        let bytes_max = self.limits.state_bytes_max;
        snapshots::save(&mut *self.instance, reader, &self.active.revision, key, warm, bytes_max)
    }
}

/// Folds in the events recorded since the state was current.
pub(super) fn catch_up(
    instance: &mut dyn RulesInstance,
    reader: &Reader,
    key: AggregateKey,
    warm: Warm,
) -> Result<Warm, FoldError> {
    let Warm { state, sequence, head, saved, .. } = warm;
    let folded = Folded { state, sequence, head, saved };
    fold_on(instance, reader, key, folded, Sequence(u64::MAX)).map(Warm::from)
}

pub(super) fn is_nearly_full(instance: &dyn RulesInstance, limits: &Limits) -> bool {
    instance.memory_bytes() >= limits.memory_bytes_max / 100 * MEMORY_PERCENT_MAX
}
