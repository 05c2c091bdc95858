//! A worker thread that owns aggregates. It takes commands from its inbox, fairly between tenants, and decides them;
//! each call has a short slice. A domain that exceeds the slice is lent to the slow lane: its commands go there one by
//! one, and the decisions come back to this thread to be made durable. So only one thread appends the records of an
//! aggregate.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::{Duration, Instant};

use polder_sandbox::CpuTime;

use super::job::{Durable, Job, Lent, Message, Returned, Ticket};
use super::loans::{Loans, Route};
use super::queue::FairQueue;
use super::shared::{Shared, address_of};
use super::worker::Worker;
use crate::tenancy::{Domain, SubmitError, slice_of};

/// How long a worker polls for the next command before it sleeps. A caller that sends its next command at once does not
/// wait until the thread is woken.
const POLL_TIME: Duration = Duration::from_micros(50);
/// Interval between checks for unused instances. An unused instance is released after at most twice this time.
pub(super) const REST_EVERY: Duration = Duration::from_secs(30);
/// Commands that a worker takes from one tenant before it looks again for the tenant that has used the least CPU time.
const COMMANDS_PER_TURN: usize = 16;

pub(super) struct FastLane {
    number: usize,
    inbox: Receiver<Message>,
    to_self: Sender<Message>,
    slow_lane: Sender<Lent>,
    queue: FairQueue<Box<Job>>,
    loans: Loans<Domain, Box<Job>>,
    worker: Worker,
    /// Domains of lent commands whose decision is in the batch.
    lent_in_batch: Vec<(Arc<Domain>, Durable)>,
    rested: Instant,
    is_stopping: bool,
}

impl FastLane {
    pub(super) fn new(
        number: usize,
        (to_self, inbox): (Sender<Message>, Receiver<Message>),
        slow_lane: Sender<Lent>,
        shared: Shared,
    ) -> Self {
        let (queue, loans, lent_in_batch) = Default::default();
        let worker = Worker::new(shared, Some(number), slice_of);
        let (rested, is_stopping) = (Instant::now(), false);
        Self { number, inbox, to_self, slow_lane, queue, loans, worker, lent_in_batch, rested, is_stopping }
    }

    /// Runs until the worker is stopped and nothing is left to do.
    pub(super) fn run(mut self) {
        loop {
            if self.queue.is_empty() {
                if self.is_stopping && self.loans.is_nothing_outstanding() {
                    break;
                }
                if let Some(message) = self.poll() {
                    self.receive(message);
                }
            }
            self.take_turn();
            self.hand_over();
            if self.rested.elapsed() >= REST_EVERY {
                self.worker.rest();
                self.loans.forget_quiet();
                self.rested = Instant::now();
            }
        }
        self.worker.save_all();
    }

    /// Decides a few commands of the tenant that has used the least CPU time.
    fn take_turn(&mut self) {
        self.receive_all();
        self.queue.begin_turn();
        let Some(first) = self.queue.pop() else { return };
        let (tenant, mut cpu_time) = (Arc::clone(first.tenant()), CpuTime::now());
        self.route(first);
        for _ in 1..COMMANDS_PER_TURN {
            let Some(job) = self.queue.pop() else { break };
            self.route(job);
        }
        let used_ns = cpu_time.lap_ns();
        tenant.used(used_ns);
        self.queue.end_turn(used_ns);
    }

    fn receive_all(&mut self) {
        while let Ok(message) = self.inbox.try_recv() {
            self.receive(message);
        }
    }

    /// Waits for the next message; `None` when it is time to release unused instances.
    fn poll(&self) -> Option<Message> {
        let until = Instant::now() + POLL_TIME;
        loop {
            match self.inbox.try_recv() {
                Ok(message) => return Some(message),
                Err(TryRecvError::Empty) if Instant::now() < until => std::thread::yield_now(),
                // An idle host has no timeouts, so that nothing wakes it.
                Err(_) if self.worker.is_at_rest() && self.loans.is_empty() => return self.inbox.recv().ok(),
                Err(_) => return self.inbox.recv_timeout(REST_EVERY).ok(),
            }
        }
    }

    fn receive(&mut self, message: Message) {
        match message {
            Message::Command(job) => self.queue.push(Arc::as_ptr(job.tenant()).addr(), job),
            Message::Returned(returned) => self.take_back(*returned),
            Message::Switched(tenant, domain) => self.worker.switch((&tenant, &domain)),
            Message::Reclaim(domain, revision, to) => {
                if let Some(kept) = self.worker.reclaim(&domain, revision) {
                    // The receiver waits for it.
                    drop(to.send(kept));
                }
            }
            Message::GiveMemoryBack => {
                self.worker.give_own_memory_back();
            }
            Message::Stop => self.is_stopping = true,
        }
    }

    fn route(&mut self, job: Box<Job>) {
        if job.tenant().is_closing() {
            // The removal of the tenant waits until its commands are answered.
            let refusal = SubmitError::UnknownTenant(job.tenant().name.clone());
            drop(job.reply.send(Err(refusal)));
            return;
        }
        let is_slow = job.target.domain.lane_policy.is_slow();
        if !is_slow && self.loans.is_empty() {
            return self.decide(*job);
        }
        let domain = Arc::clone(&job.target.domain);
        match self.loans.route(&domain, is_slow, job) {
            Route::Own(job) => self.decide(*job),
            Route::Lend { item: job, loan, is_new } => {
                if is_new {
                    // The slow lane builds its states from the journal, so this worker's decisions must be durable
                    // first.
                    self.worker.give_up(address_of(&domain));
                }
                self.worker.metrics().went_slow();
                let ticket = Ticket::new(&domain, &self.to_self);
                // If the slow lane's thread is gone, the ticket comes back at once, and the caller's reply channel
                // closes.
                drop(self.slow_lane.send(Lent { job, loan, lender: self.number, ticket }));
            }
            Route::Held => {}
        }
    }

    fn decide(&mut self, job: Job) {
        match self.worker.rule(job) {
            Ok(Some(decided)) => self.worker.keep(decided),
            Ok(None) => {}
            // Guests are pure, so a call that was cut off may run again from the start.
            Err(job) => self.route(job),
        }
    }

    fn take_back(&mut self, returned: Returned) {
        match returned.pending_reply {
            Some((pending_reply, durable)) => {
                self.worker.keep_pending_reply(pending_reply);
                self.lent_in_batch.push((returned.domain, durable));
            }
            None => self.done(&returned.domain),
        }
    }

    /// Passes the batch to the appender. If it contains decisions of lent commands, waits until they are durable.
    fn hand_over(&mut self) {
        self.receive_all();
        if self.lent_in_batch.is_empty() {
            return self.worker.hand_over(!self.queue.is_empty());
        }
        self.worker.settle();
        for (domain, durable) in std::mem::take(&mut self.lent_in_batch) {
            drop(durable);
            self.done(&domain);
        }
    }

    /// Queues the commands that waited for a lent command, with the tenant's other commands.
    fn done(&mut self, domain: &Arc<Domain>) {
        for job in self.loans.returned(domain) {
            self.queue.push(Arc::as_ptr(job.tenant()).addr(), job);
        }
    }
}
