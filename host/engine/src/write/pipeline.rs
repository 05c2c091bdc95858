//! Starts and stops the threads of the write path, and passes commands to them.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use polder_core::{DomainName, Position, Revision};
use polder_journal::{EncodedRecord, Reader, Writer};
use polder_sandbox::Interrupt;

use super::appender::Appender;
use super::audit::{Audit, AuditCounts};
use super::batch::Grown;
use super::fast_lane::FastLane;
use super::job::{Job, Message};
use super::metrics::Metrics;
use super::not_appended::NotAppended;
use super::prepared::{PreparedInstances, PreparedStore, Reclaimed};
use super::shared::{Peers, Shared};
use super::slow_lane::SlowLane;
use super::withdrawals::Withdrawals;
use super::worker_of::worker_of;
use crate::tenancy::{Clock, Domain, SubmitError, Tenant};

/// Workers per thread of the slow lane. More threads would not help: the slow lane only uses CPU time that no other
/// thread needs.
const WORKERS_PER_SLOW_LANE: usize = 2;

/// The threads of the write path.
pub(crate) struct Pipeline {
    workers: Vec<Sender<Message>>,
    appender: Arc<Appender>,
    audit_counts: Option<Arc<AuditCounts>>,
    prepared: Arc<PreparedStore>,
    stopping: Interrupt,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    deciding: Vec<JoinHandle<()>>,
    appending: Option<JoinHandle<()>>,
}

impl Pipeline {
    /// `is_audited` says whether a sample of the commands runs a second time.
    pub(crate) fn start(
        (worker_count, is_audited): (usize, bool),
        writer: Writer,
        reader: &Reader,
        clock: &Arc<Clock>,
        metrics: &Arc<Metrics>,
        grown: Grown,
        withdrawals: Withdrawals,
    ) -> std::io::Result<Self> {
        let worker_count = worker_count.max(1);
        let stopping = Interrupt::default();
        // The slow lane's threads have low priority and may be paused at any point. They use a reader of their own, so
        // that no other thread waits for a lock that they hold.
        let aside = reader.aside()?;
        let (audit, auditing) = match is_audited {
            true => Some(Audit::start(aside.clone(), withdrawals.clone(), &stopping)?).unzip(),
            false => (None, None),
        };
        let shared = Shared {
            appender: Arc::new(Appender::new(writer)),
            reader: reader.clone(),
            clock: Arc::clone(clock),
            metrics: Arc::clone(metrics),
            grown: Arc::new(grown),
            audit,
            withdrawals,
            worker_count,
            peers: Peers::default(),
            prepared: Arc::default(),
        };
        let mut pipeline = Self {
            workers: Vec::new(),
            appender: Arc::clone(&shared.appender),
            audit_counts: shared.audit.as_ref().map(Audit::counts),
            prepared: Arc::clone(&shared.prepared),
            stopping,
            threads: Mutex::default(),
        };
        pipeline.start_lanes(&shared, &aside)?;
        shared.peers.set(pipeline.workers.clone());
        let appending = Arc::clone(&pipeline.appender);
        let appending = thread::Builder::new().name("appender".to_owned()).spawn(move || appending.run())?;
        let mut threads = pipeline.lock_threads();
        threads.appending = Some(appending);
        // The audit is joined last: it ends when the other threads have ended.
        threads.deciding.extend(auditing);
        drop(threads);
        Ok(pipeline)
    }

    fn start_lanes(&mut self, shared: &Shared, aside: &Reader) -> std::io::Result<()> {
        let worker_count = shared.worker_count;
        let mut slow_lanes = Vec::new();
        for number in 0..(worker_count / WORKERS_PER_SLOW_LANE).max(1) {
            let (to_slow_lane, inbox) = channel();
            let shared = Shared { reader: aside.clone(), ..shared.clone() };
            let slow_lane = SlowLane::new(inbox, worker_count, &shared, &self.stopping);
            self.spawn(format!("slow-lane-{number}"), move || slow_lane.run())?;
            slow_lanes.push(to_slow_lane);
        }
        for number in 0..worker_count {
            let (to_worker, inbox) = channel();
            let slow_lane = slow_lanes[number % slow_lanes.len()].clone();
            let fast_lane = FastLane::new(number, (to_worker.clone(), inbox), slow_lane, shared.clone());
            self.spawn(format!("worker-{number}"), move || fast_lane.run())?;
            self.workers.push(to_worker);
        }
        Ok(())
    }

    fn spawn(&self, name: String, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let halting = Arc::clone(&self.appender);
        let thread = thread::Builder::new().name(name).spawn(move || {
            // Without this worker some commands would never be answered. The host therefore stops taking commands.
            let _halting = halting.halt_on_panic();
            run();
        })?;
        self.lock_threads().deciding.push(thread);
        Ok(())
    }

    fn lock_threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the job to the worker that owns its aggregate. The reply arrives on the job's own channel, which closes
    /// without an answer when the worker is gone.
    pub(crate) fn submit(&self, job: Job) {
        let worker = worker_of(job.target.key, self.workers.len());
        // A worker that is gone drops the job and the reply sender with it: the caller sees a closed channel.
        drop(self.workers[worker].send(Message::Command(Box::new(job))));
    }

    /// Appends a record that the host decided itself, without a worker. Blocks until it is durable.
    pub(crate) fn append(&self, record: EncodedRecord) -> Result<Position, SubmitError> {
        match self.appender.append_and_wait(vec![record]) {
            Ok(positions) => Ok(positions[0]),
            Err(why) => Err(why.into()),
        }
    }

    /// The audit's counters, or `None` when the host does not audit.
    pub(crate) fn audit_counts(&self) -> Option<&AuditCounts> {
        self.audit_counts.as_deref()
    }

    /// Why no commands are taken, or `None` while they are taken.
    pub(crate) fn trouble(&self) -> Option<NotAppended> {
        self.appender.trouble()
    }

    /// Lets every worker finish its queue and each slow lane its current call, then closes the journal. Commands that
    /// come later get no answer: their replies are dropped.
    pub(crate) fn stop(&self) {
        self.end();
        self.appender.close();
    }

    /// Like [`stop`](Self::stop), but leaves the journal open and returns its writer, so that another host can continue
    /// it.
    pub(crate) fn retire(&self) -> Option<Writer> {
        self.end();
        self.appender.retire()
    }

    fn end(&self) {
        self.stopping.set();
        for worker in &self.workers {
            // A worker that is gone has stopped already.
            drop(worker.send(Message::Stop));
        }
        let Threads { deciding, appending } = std::mem::take(&mut *self.lock_threads());
        for thread in deciding {
            // The thread may be parked.
            thread.thread().unpark();
            joined(thread);
        }
        self.appender.end();
        appending.into_iter().for_each(joined);
    }

    /// What the workers kept of a former revision of the domain. Nothing is kept of a domain that does not exist yet.
    pub(crate) fn reclaim(&self, domain: Option<&Arc<Domain>>, revision: Revision) -> Reclaimed {
        let Some(domain) = domain else { return Reclaimed::nothing(self.workers.len()) };
        let asked: Vec<_> = (self.workers.iter())
            .map(|worker| {
                let (to, reclaimed) = channel();
                // A worker that is gone has kept nothing.
                drop(worker.send(Message::Reclaim(Arc::clone(domain), revision, to)));
                reclaimed
            })
            .collect();
        Reclaimed(asked.into_iter().map(|reclaimed| reclaimed.recv().ok()).collect())
    }

    /// Stores instances for a revision that is about to become active. Call it before the revision becomes active.
    pub(crate) fn prepare(
        &self,
        tenant: &Tenant,
        domain: &DomainName,
        revision: Revision,
        prepared: PreparedInstances,
    ) {
        self.prepared.put((tenant.name.clone(), domain.clone()), revision, prepared);
    }

    /// Informs all workers of the domain's new active revision. Workers for which instances were
    /// [prepared](Self::prepare) start to use them now.
    pub(crate) fn switched(&self, tenant: &Arc<Tenant>, domain: &Arc<Domain>) {
        for worker in &self.workers {
            // A worker that is gone takes no commands either.
            drop(worker.send(Message::Switched(Arc::clone(tenant), Arc::clone(domain))));
        }
    }
}

fn joined(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the write path had panicked");
    }
}
