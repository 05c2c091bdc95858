//! The write path: a worker decides, makes it durable, and tells the callers.
//!
//! ```text
//! caller ─ job ─> worker thread (owns states, runs rules) ─ a batch of records ─> appender ─ one frame, one sync ─> journal
//! caller <─ acknowledgement ── the same worker, after the sync <──────────────────────┘
//! ```

mod appender;
mod batch;
mod cold;
mod job;
mod seat;
mod snapshots;
mod warm;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use polder_core::Position;
use polder_journal::{AggregateKey, EncodedRecord, Reader, Writer};

use appender::{Appender, Decided};
pub(crate) use cold::{FoldError, Wanted, fold_history};
pub(crate) use job::{Job, Target};

use crate::SubmitError;
use crate::clock::Clock;
use crate::metrics::Metrics;
use worker::Worker;

/// Told after each append which tenants' histories grew.
pub(crate) type Grown = Box<dyn Fn(&crate::tenant::Tenant) + Send + Sync>;

/// The threads of the write path.
pub(crate) struct Pipeline {
    workers: Vec<Sender<Box<Job>>>,
    appender: Arc<Appender>,
    threads: Vec<JoinHandle<()>>,
}

impl Pipeline {
    pub(crate) fn start(
        worker_count: usize,
        writer: Writer,
        reader: &Reader,
        clock: &Arc<Clock>,
        metrics: &Arc<Metrics>,
        grown: Grown,
    ) -> std::io::Result<Self> {
        let (appender, grown) = (Arc::new(Appender::new(writer)), Arc::new(grown));
        let (mut workers, mut threads) = (Vec::new(), Vec::new());
        for number in 0..worker_count.max(1) {
            let (to_worker, jobs) = channel();
            let (clock, metrics, grown) = (Arc::clone(clock), Arc::clone(metrics), Arc::clone(&grown));
            let worker = Worker::new(jobs, Arc::clone(&appender), reader.clone(), clock, metrics, grown);
            let (name, halting) = (format!("worker-{number}"), Arc::clone(&appender));
            threads.push(thread::Builder::new().name(name).spawn(move || {
                // One worker less would leave some commands without an answer; then rather none are taken.
                let _halting = halting.halt_on_panic();
                worker.run();
            })?);
            workers.push(to_worker);
        }
        Ok(Self { workers, appender, threads })
    }

    /// Hands the job to the worker that owns its aggregate; its reply comes by the job's own channel, which closes
    /// unanswered when the worker is gone.
    pub(crate) fn submit(&self, job: Job) {
        let worker = self.worker_of(job.target.key);
        // A worker that is gone drops the job, and with it the reply: that is how the caller learns of it.
        drop(self.workers[worker].send(Box::new(job)));
    }

    /// For a decision that no worker makes: the host's own. Blocks until it is durable.
    pub(crate) fn append(&self, record: EncodedRecord) -> Result<Position, SubmitError> {
        match self.appender.append(vec![record], Decided::No) {
            Ok(positions) => Ok(positions[0]),
            Err(halted) => Err(SubmitError::ReadOnly(halted.0)),
        }
    }

    /// Why no commands are taken, when none are.
    pub(crate) fn halted(&self) -> Option<&str> {
        self.appender.halted()
    }

    /// Lets every worker finish what it has, then closes the journal.
    pub(crate) fn stop(self) {
        drop(self.workers);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a thread of the write path had panicked");
            }
        }
        self.appender.close();
    }

    fn worker_of(&self, key: AggregateKey) -> usize {
        // The key is a hash already: any of its bytes spread well.
        let mut head = [0; 8];
        head.copy_from_slice(&key.0[..8]);
        (u64::from_le_bytes(head) % self.workers.len() as u64) as usize
    }
}
