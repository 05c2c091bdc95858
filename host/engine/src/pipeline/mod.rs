//! The write path: a worker decides, the sequencer makes it durable, then the caller is told.
//!
//! ```text
//! caller ─ job ─> worker thread (owns states, runs rules) ─ decided ─> sequencer thread ─ append ─> journal
//! caller <─ acknowledgement ───────────────────────────────────────────── after the sync
//! ```

mod cold;
mod decided;
mod job;
mod progress;
mod seat;
mod sequencer;
mod snapshots;
mod warm;
mod worker;

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use polder_journal::{AggregateKey, Reader, Writer};

pub(crate) use cold::{FoldError, Wanted, fold_history};
pub(crate) use decided::{Decided, Reply};
pub(crate) use job::Job;
pub(crate) use progress::Progress;

use crate::clock::Clock;
use crate::metrics::Metrics;
use sequencer::Sequencer;
use worker::{ToWorker, Worker};

/// Told after each append which tenants' histories grew.
pub(crate) type Grown = Box<dyn Fn(&crate::tenant::Tenant) + Send>;

/// The threads of the write path.
pub(crate) struct Pipeline {
    workers: Vec<Sender<ToWorker>>,
    sequencer: Sender<Decided>,
    progress: Arc<Progress>,
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
        let worker_count = worker_count.max(1);
        let progress = Arc::new(Progress::new(worker_count));
        let (to_sequencer, decided) = channel();
        let sequencer =
            Sequencer::new(decided, writer, reader.clone(), Arc::clone(&progress), Arc::clone(metrics), grown);
        let mut threads = vec![spawn("sequencer".into(), move || sequencer.run())?];
        let mut workers = Vec::with_capacity(worker_count);
        for number in 0..worker_count {
            let (to_worker, jobs) = channel();
            let (clock, metrics) = (Arc::clone(clock), Arc::clone(metrics));
            let worker =
                Worker::new(number, jobs, to_sequencer.clone(), reader.clone(), Arc::clone(&progress), clock, metrics);
            threads.push(spawn(format!("worker-{number}"), move || worker.run())?);
            workers.push(to_worker);
        }
        Ok(Self { workers, sequencer: to_sequencer, progress, threads })
    }

    /// Hands the job to the worker that owns its aggregate; its reply comes by the job's own channel, which closes
    /// unanswered when the host shuts down first.
    pub(crate) fn submit(&self, job: Job) {
        let worker = self.worker_of(job.key);
        // A worker that is gone drops the job, and with it the reply: that is how the caller learns of it.
        drop(self.workers[worker].send(ToWorker::Job(Box::new(job))));
    }

    /// For decisions that no worker makes: the host's own.
    pub(crate) fn append(&self, decided: Decided) {
        drop(self.sequencer.send(decided));
    }

    /// Why no commands are taken, when none are.
    pub(crate) fn halted(&self) -> Option<String> {
        self.progress.halted()
    }

    /// Lets every worker finish what it has, then closes the journal.
    pub(crate) fn stop(self) {
        for worker in &self.workers {
            drop(worker.send(ToWorker::Stop));
        }
        drop(self.workers);
        drop(self.sequencer);
        for thread in self.threads.into_iter().rev() {
            if thread.join().is_err() {
                tracing::error!("a thread of the write path had panicked");
            }
        }
    }

    fn worker_of(&self, key: AggregateKey) -> usize {
        // The key is a hash already: any of its bytes spread well.
        let mut head = [0; 8];
        head.copy_from_slice(&key.0[..8]);
        (u64::from_le_bytes(head) % self.workers.len() as u64) as usize
    }
}

fn spawn(name: String, run: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(run)
}
