//! Decides commands on a lane's thread. A worker runs the rules on the warm state, collects the decisions in a batch,
//! and passes the batch to the appender, which makes it durable and then answers the callers. Meanwhile the worker
//! decides on states that are not durable yet. Until they are durable, no caller is answered, and the worker does not
//! read the journal.

mod decide;
mod failures;
mod handover;
mod residents;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use foldhash::HashMap;
use polder_core::{Command, CommandAck, Limits, Position, Revision, Sequence};
use polder_journal::{CommandKey, Reader};
use polder_sandbox::{CallError, CallErrorKind, GuestCommand};

use super::appender::{Appender, Handed};
use super::audit::{Audit, Sample, SampledCommand};
use super::batch::{Batch, Grown, Reply, ReplySender};
use super::idempotency::first_acknowledgement;
use super::job::{Job, Target};
use super::metrics::Metrics;
use super::not_appended::NotAppended;
use super::optimistic_concurrency::check_expected_sequence;
use super::pending_reply::{PendingReply, StateAfter};
use super::prepared::{PreparedInstance, PreparedStore};
use super::resident::{ResidentInstance, TakeError, Upkeep};
use super::retired::RetiredInstances;
use super::share::{share_of, states_leaving};
use super::shared::{Peers, Shared, address_of};
use super::slots::Slot;
use super::undurable::Undurable;
use super::verdict::{CommandIdentity, GuestDecision, Verdict, new_command_id, record};
use super::warm::Warm;
use super::withdrawals::Withdrawals;
use crate::folding::FoldError;
use crate::tenancy::{Active, Clock, Domain, SubmitError, Tenant, overran_slice};

pub(super) use decide::Decided;

pub(super) struct Worker {
    /// The number of the worker. `None` on the slow lane, for which no instances are prepared.
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
    prepared: Arc<PreparedStore>,
    /// Counts the states put back. It serves as the clock of LRU eviction.
    commands: u64,
    /// Keyed by the address of the domain. The resident keeps the domain alive, so the address stays valid.
    residents: HashMap<usize, ResidentInstance>,
    kept: RetiredInstances,
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
    /// Addresses of the residents whose calls are not reported yet.
    unreported: Vec<usize>,
}

/// Why there is no decision.
enum Failure {
    Refused(SubmitError),
    /// The call exceeded its slice and was cut off, without effect.
    Overran(Box<Command>),
}

impl Worker {
    /// `allowance` reduces the tenant's limits to what one call may use on this lane.
    pub(super) fn new(shared: Shared, number: Option<usize>, allowance: fn(&Limits) -> Limits) -> Self {
        let Shared { appender, reader, clock, metrics, grown, audit, withdrawals, worker_count, peers, prepared } =
            shared;
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
            prepared,
            commands: 0,
            residents: HashMap::default(),
            kept: RetiredInstances::default(),
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
}

fn limits_of(target: &Target) -> Limits {
    target.admission.tenant().limits()
}
