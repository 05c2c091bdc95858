//! The thread for domains whose calls take long. It has the lowest priority on the machine, so the fast lane's threads
//! are not slowed down however long a guest runs. It serves its tenants fairly, one call at a time, each call with the
//! full limits of the tenant.
//!
//! It may be paused at any point, so it holds no lock that a thread needs which waits for the disk. A decision goes
//! back to the lender, which makes it durable; only then does this thread go on.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Instant;

use polder_sandbox::{CpuTime, Interrupt};

use super::fast_lane::REST_EVERY;
use super::job::{Durable, Lent};
use super::queue::FairQueue;
use super::shared::{Shared, address_of};
use super::worker::Worker;
use crate::priority;
use crate::tenancy::{SLICE_MS, SubmitError};

/// CPU time of a slice, in nanoseconds. A call that takes more counts as an overrun.
const SLICE_NS: u64 = SLICE_MS * 1_000_000;

pub(super) struct SlowLane {
    inbox: Receiver<Lent>,
    queue: FairQueue<Lent>,
    /// One for each lender, because the states of a domain are those of the lender's aggregates.
    desks: Vec<Desk>,
    rested: Instant,
    stopping: Interrupt,
}

struct Desk {
    worker: Worker,
    /// The loan that the domain's states belong to, by the domain's address.
    loans: HashMap<usize, u64>,
}

impl SlowLane {
    pub(super) fn new(inbox: Receiver<Lent>, lender_count: usize, shared: &Shared, stopping: &Interrupt) -> Self {
        let desk = |_| Desk { worker: Worker::new(shared.clone(), None, |limits| *limits), loans: HashMap::new() };
        let desks = (0..lender_count).map(desk).collect();
        let (queue, rested) = (FairQueue::default(), Instant::now());
        Self { inbox, queue, desks, rested, stopping: stopping.clone() }
    }

    /// Runs until all lenders are gone.
    pub(super) fn run(mut self) {
        priority::give_way();
        loop {
            while let Ok(lent) = self.inbox.try_recv() {
                self.push(lent);
            }
            if self.rested.elapsed() >= REST_EVERY {
                self.rest();
            }
            if self.queue.is_empty() {
                match self.wait() {
                    Ok(lent) => self.push(lent),
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            self.queue.begin_turn();
            if let Some(lent) = self.queue.pop() {
                let used_ns = self.run_one(lent);
                self.queue.end_turn(used_ns);
            }
        }
        // The host stops. A state whose saving takes long is not saved, and is rebuilt from the journal.
        let desks = &mut self.desks;
        self.stopping.scope(|| desks.iter_mut().for_each(|desk| desk.worker.save_all()));
    }

    fn wait(&self) -> Result<Lent, RecvTimeoutError> {
        if self.desks.iter().all(|desk| desk.worker.is_at_rest()) {
            // An idle host has no timeouts, so that nothing wakes it.
            return self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected);
        }
        self.inbox.recv_timeout(REST_EVERY)
    }

    fn rest(&mut self) {
        let desks = &mut self.desks;
        // Unused states are saved by their guests, here with the full limits of a call. Each call also ends with the
        // tenant of its state: see `ResidentInstance::save_all`.
        self.stopping.scope(|| desks.iter_mut().for_each(|desk| desk.worker.rest()));
        for Desk { worker, loans } in desks {
            loans.retain(|address, _| worker.has_resident(*address));
        }
        self.rested = Instant::now();
    }

    fn push(&mut self, lent: Lent) {
        self.queue.push(Arc::as_ptr(lent.job.tenant()).addr(), lent);
    }

    /// Runs one lent command and returns the CPU time it took, in nanoseconds.
    fn run_one(&mut self, lent: Lent) -> u64 {
        let Lent { mut job, loan, lender, ticket } = lent;
        // Each command may take the full time of a call. Neither shutdown nor the removal of a tenant waits for that.
        let refusal = match (self.stopping.is_set(), job.tenant().is_closing()) {
            (true, _) => Some(SubmitError::ShuttingDown),
            (false, true) => Some(SubmitError::UnknownTenant(job.tenant().name.clone())),
            (false, false) => None,
        };
        if let Some(refusal) = refusal {
            drop(job.reply.send(Err(refusal)));
            return 0;
        }
        let (tenant, domain) = (Arc::clone(job.tenant()), Arc::clone(&job.target.domain));
        let desk = &mut self.desks[lender];
        if desk.loans.insert(address_of(&domain), loan) != Some(loan) {
            desk.worker.give_up(address_of(&domain));
        }
        let mut cpu_time = CpuTime::now();
        let decided = loop {
            let ruled = self.stopping.scope(|| tenant.ended().scope(|| desk.worker.rule(*job)));
            match ruled {
                Ok(decided) => break decided,
                // The tenant's limits were raised while the command ran with the former ones.
                Err(again) => job = again,
            }
        };
        let used_ns = cpu_time.lap_ns();
        tenant.used(used_ns);
        if used_ns > SLICE_NS {
            domain.lane_policy.overran();
        }
        if let Some(decided) = decided {
            let (pending_reply, state_after) = decided.split();
            let (signal, durable) = channel();
            ticket.give_back(pending_reply, Durable { _signal: signal });
            // Nothing is ever sent on this channel. It closes when the lender drops its half.
            let _ = durable.recv();
            // The guest shows its state for a sample here, and saves states that leave memory.
            self.stopping.scope(|| tenant.ended().scope(|| desk.worker.put_back_durable(state_after)));
        }
        used_ns
    }
}
