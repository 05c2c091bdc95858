//! The write path: workers decide, and hand what they decided to the appender, which makes it durable and tells the callers. While a
//! sync is under way they decide what goes with the next.
//!
//! ```text
//! caller ─ command ─> fast lane (owns states, runs rules) ─ a batch of records ─> appender ─ one frame, one sync ─> journal
//!        <─ acknowledgement, once it is durable <─────────────────────────────────────┘
//!                   │ ^
//!   commands of a   v │ decisions
//!   slow domain   slow lane (runs rules where the machine has time left)
//! ```
//!
//! **No tenant waits for another's guest.** Three things see to it:
//!
//! - A worker serves the tenants that wait fairly, by the CPU time their commands took ([`queue`]).
//! - A call on the fast lane has a slice of a few milliseconds ([`conduct`]): so long may a looping guest hold up its worker, once. The call
//!   is cut off, and runs again from the start on the slow lane with all that the tenant's limits allow; guests are pure, so
//!   nothing is lost by it, and the verdict is the same as ever.
//! - The domain stays on the slow lane for a while, longer each time ([`loans`]). Its thread gives way to every other, and so takes
//!   from nobody what he could use ([`slow_lane`]).
//!
//! The worker that owns an aggregate appends all of its records, whichever lane they come from: the lanes hand a domain
//! over through the journal, when nothing of it is undecided or not durable.

mod appender;
mod batch;
mod cold;
mod conduct;
mod fast_lane;
mod job;
mod kept;
mod loans;
mod not_appended;
pub(crate) mod priority;
mod queue;
mod ready;
mod seat;
mod share;
mod slow_lane;
mod snapshots;
mod undurable;
mod verdict;
mod warm;
mod worker;

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use polder_core::{Position, Revision};
use polder_journal::{AggregateKey, EncodedRecord, Reader, Writer};
use polder_sandbox::Interrupt;

use appender::Appender;
pub(crate) use cold::{EVENTS_PER_CALL, FoldError, Folded, Wanted, begin, fold_history, fold_part};
pub(crate) use conduct::{Conduct, overran_slice, slice_of};
pub(crate) use job::{Job, Target};
pub(crate) use kept::Reclaimed;
pub(crate) use not_appended::NotAppended;
pub(crate) use ready::{MakeReady, Ready};
pub(crate) use verdict::repeat;

use crate::clock::Clock;
use crate::domain::Domain;
use crate::health::{Audit, AuditCounts, Withdrawals};
use crate::metrics::Metrics;
use crate::tenant::Tenant;
use crate::{HostOptions, SubmitError};
use fast_lane::FastLane;
use job::Message;
use slow_lane::SlowLane;
use worker::{Peers, Shared};

/// Told after each append which tenants' histories grew.
pub(crate) type Grown = Box<dyn Fn(&crate::tenant::Tenant) + Send + Sync>;

/// So many workers share a thread of the slow lane. More would not help: all they may use is what nobody else needs.
const WORKERS_PER_SLOW_LANE: usize = 2;

/// The threads of the write path.
pub(crate) struct Pipeline {
    workers: Vec<Sender<Message>>,
    appender: Arc<Appender>,
    audit_counts: Option<Arc<AuditCounts>>,
    stopping: Interrupt,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    deciding: Vec<JoinHandle<()>>,
    appending: Option<JoinHandle<()>>,
}

impl Pipeline {
    pub(crate) fn start(
        options: &HostOptions,
        writer: Writer,
        reader: &Reader,
        clock: &Arc<Clock>,
        metrics: &Arc<Metrics>,
        grown: Grown,
        withdrawals: Withdrawals,
    ) -> std::io::Result<Self> {
        let worker_count = options.workers.max(1);
        let stopping = Interrupt::default();
        // For threads that give way: nobody is to wait for a lock that they hold.
        let aside = reader.aside()?;
        let (audit, auditing) = match options.is_audited {
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
        };
        let mut pipeline = Self {
            workers: Vec::new(),
            appender: Arc::clone(&shared.appender),
            audit_counts: shared.audit.as_ref().map(Audit::counts),
            stopping,
            threads: Mutex::default(),
        };
        let mut slow_lanes = Vec::new();
        for number in 0..(worker_count / WORKERS_PER_SLOW_LANE).max(1) {
            let (to_slow_lane, inbox) = channel();
            let shared = Shared { reader: aside.clone(), ..shared.clone() };
            let slow_lane = SlowLane::new(inbox, worker_count, &shared, &pipeline.stopping);
            pipeline.spawn(format!("slow-lane-{number}"), move || slow_lane.run())?;
            slow_lanes.push(to_slow_lane);
        }
        for number in 0..worker_count {
            let (to_worker, inbox) = channel();
            let slow_lane = slow_lanes[number % slow_lanes.len()].clone();
            let fast_lane = FastLane::new(number, (to_worker.clone(), inbox), slow_lane, shared.clone());
            pipeline.spawn(format!("worker-{number}"), move || fast_lane.run())?;
            pipeline.workers.push(to_worker);
        }
        shared.peers.are(pipeline.workers.clone());
        let appending = Arc::clone(&pipeline.appender);
        let appending = thread::Builder::new().name("appender".to_owned()).spawn(move || appending.run())?;
        let mut threads = pipeline.lock_threads();
        threads.appending = Some(appending);
        // Last: it ends when the others have.
        threads.deciding.extend(auditing);
        drop(threads);
        Ok(pipeline)
    }

    fn spawn(&self, name: String, run: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let halting = Arc::clone(&self.appender);
        let thread = thread::Builder::new().name(name).spawn(move || {
            // One worker less would leave some commands without an answer; then rather none are taken.
            let _halting = halting.halt_on_panic();
            run();
        })?;
        self.lock_threads().deciding.push(thread);
        Ok(())
    }

    fn lock_threads(&self) -> MutexGuard<'_, Threads> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands the job to the worker that owns its aggregate; its reply comes by the job's own channel, which closes
    /// unanswered when the worker is gone.
    pub(crate) fn submit(&self, job: Job) {
        let worker = worker_of(job.target.key, self.workers.len());
        // A worker that is gone drops the job, and with it the reply: that is how the caller learns of it.
        drop(self.workers[worker].send(Message::Command(Box::new(job))));
    }

    /// For a decision that no worker makes: the host's own. Blocks until it is durable.
    pub(crate) fn append(&self, record: EncodedRecord) -> Result<Position, SubmitError> {
        match self.appender.append_and_wait(vec![record]) {
            Ok(positions) => Ok(positions[0]),
            Err(why) => Err(why.into()),
        }
    }

    /// `None` when nothing is audited.
    pub(crate) fn audit_counts(&self) -> Option<&AuditCounts> {
        self.audit_counts.as_deref()
    }

    /// Why no commands are taken, when none are.
    pub(crate) fn trouble(&self) -> Option<NotAppended> {
        self.appender.trouble()
    }

    /// Lets every worker finish what it has, the slow lanes what they are at, then closes the journal. Commands that come later have no
    /// answer: their replies are dropped.
    pub(crate) fn stop(&self) {
        self.end();
        self.appender.close();
    }

    /// As [`stop`](Self::stop), and leaves the journal as it is, for another host to go on with.
    pub(crate) fn retire(&self) -> Option<Writer> {
        self.end();
        self.appender.retire()
    }

    fn end(&self) {
        self.stopping.set();
        for worker in &self.workers {
            // One that is gone has stopped already.
            drop(worker.send(Message::Stop));
        }
        let Threads { deciding, appending } = std::mem::take(&mut *self.lock_threads());
        for thread in deciding {
            // It may be resting.
            thread.thread().unpark();
            joined(thread);
        }
        self.appender.end();
        appending.into_iter().for_each(joined);
    }

    /// What the workers kept of a revision of the domain; nothing of a domain that is not there yet.
    pub(crate) fn reclaim(&self, domain: Option<&Arc<Domain>>, revision: Revision) -> Reclaimed {
        let Some(domain) = domain else { return Reclaimed::nothing(self.workers.len()) };
        let asked: Vec<_> = (self.workers.iter())
            .map(|worker| {
                let (to, reclaimed) = channel();
                // One that is gone has kept nothing.
                drop(worker.send(Message::Reclaim(Arc::clone(domain), revision, to)));
                reclaimed
            })
            .collect();
        Reclaimed(asked.into_iter().map(|reclaimed| reclaimed.recv().ok()).collect())
    }

    /// The domain has another revision: workers for which states were [made ready](Ready) take them over now.
    pub(crate) fn switched(&self, tenant: &Arc<Tenant>, domain: &Arc<Domain>) {
        for worker in &self.workers {
            // One that is gone takes no commands either.
            drop(worker.send(Message::Switched(Arc::clone(tenant), Arc::clone(domain))));
        }
    }
}

fn worker_of(key: AggregateKey, worker_count: usize) -> usize {
    // The key is a hash already: any of its bytes spread well.
    let mut head = [0; 8];
    head.copy_from_slice(&key.0[..8]);
    (u64::from_le_bytes(head) % worker_count.max(1) as u64) as usize
}

fn joined(thread: JoinHandle<()>) {
    if thread.join().is_err() {
        tracing::error!("a thread of the write path had panicked");
    }
}
