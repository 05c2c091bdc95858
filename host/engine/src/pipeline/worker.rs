//! Decides commands on a lane's thread. A worker runs the rules on the warm state, collects the decisions in a batch,
//! and passes the batch to the appender, which makes it durable and then answers the callers. Meanwhile the worker
//! decides on states that are not durable yet. Until they are durable, no caller is answered, and the worker does not
//! read the journal.

mod decide;
mod failures;
mod handover;
mod residents;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};

use foldhash::HashMap;
use polder_core::{Command, CommandAck, CommandId, Limits, Position, Reason, Revision, Sequence, TimestampMs};
use polder_journal::{AggregateKey, CommandKey, EncodedRecord, Reader};
use polder_sandbox::{CallError, CallErrorKind, GuestCommand};

use super::appender::{Appender, Handed};
use super::batch::{Batch, Reply};
use super::cold::FoldError;
use super::job::{Message, ReplySender, Target};
use super::lane_policy::overran_slice;
use super::not_appended::NotAppended;
use super::prepared::PreparedInstance;
use super::repeats::first_acknowledgement;
use super::resident::{ResidentInstance, TakeError, Upkeep};
use super::retired::RetiredInstances;
use super::share::{share_of, states_leaving};
use super::slots::Slot;
use super::undurable::Undurable;
use super::verdict::{Verdict, new_command_id, record};
use super::warm::Warm;
use super::{Grown, Job};
use crate::SubmitError;
use crate::clock::Clock;
use crate::domain::{Active, Domain};
use crate::health::{Audit, Sample, SampledCommand, Withdrawals};
use crate::metrics::Metrics;
use crate::rules::DecidedEvent;
use crate::tenant::Tenant;

pub(super) use decide::{Asked, Decided, Decision, PendingReply, StateAfter};

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

pub(super) fn address_of(domain: &Arc<Domain>) -> usize {
    Arc::as_ptr(domain).addr()
}
