//! Runs samples of live commands again, on a thread of low priority that pauses when it has used more than its share of
//! the CPU. When it cannot keep up, samples are dropped and counted; commands never wait for it.
//!
//! On a busy machine that thread may not run while thousands of commands are decided. Therefore the worker itself
//! audits one sample of each instance at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use polder_core::Limits;
use polder_journal::Reader;
use polder_sandbox::{CpuTime, Interrupt};

use super::sample::{Finding, Sample};
use crate::priority;
use crate::write::withdrawals::{Cause, Withdrawal, Withdrawals};

/// The audit uses one CPU second in this number of seconds, as an average over a long time …
const CPU_SHARE: u32 = 200;
/// … and this much in one go, so that a revision that was just activated is examined closely.
const CPU_SAVED_MAX: Duration = Duration::from_millis(100);
/// Samples that may wait. Each holds at most one state and one command.
const QUEUE_MAX: usize = 64;
/// States longer than this, in bytes, are not kept for comparison; their events are still compared.
pub(crate) const STATE_BYTES_MAX: usize = 256 * 1024;

/// Sends samples to the audit. The audit's thread ends when all clones are dropped.
#[derive(Clone)]
pub(crate) struct Audit {
    to: SyncSender<Box<Sample>>,
    conclusions: Conclusions,
}

/// Acts on findings.
#[derive(Clone)]
struct Conclusions {
    withdrawals: Withdrawals,
    counts: Arc<AuditCounts>,
}

#[derive(Default)]
pub(crate) struct AuditCounts {
    pub(crate) same: AtomicU64,
    pub(crate) different: AtomicU64,
    pub(crate) inconclusive: AtomicU64,
    pub(crate) dropped: AtomicU64,
}

impl Audit {
    /// Starts the audit's thread. Samples that wait when the host stops are not run. The thread owns a reader of the
    /// journal, so join it before the journal is closed.
    pub(crate) fn start(
        reader: Reader,
        withdrawals: Withdrawals,
        stopping: &Interrupt,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (to, samples) = sync_channel(QUEUE_MAX);
        let conclusions = Conclusions { withdrawals, counts: Arc::default() };
        let (concluding, stopping) = (conclusions.clone(), stopping.clone());
        let auditor = Auditor { samples, reader, conclusions: concluding, stopping };
        let thread = std::thread::Builder::new().name("audit".into()).spawn(move || auditor.run())?;
        Ok((Self { to, conclusions }, thread))
    }

    pub(crate) fn counts(&self) -> Arc<AuditCounts> {
        Arc::clone(&self.conclusions.counts)
    }

    /// Audits a sample on the calling thread. If the second run exceeds `limits`, the sample is offered to the audit's
    /// thread instead. The command must be durable.
    pub(crate) fn run_now(&self, sample: Box<Sample>, reader: &Reader, limits: &Limits) {
        match run_again(&sample, reader, limits) {
            Finding::Inconclusive(_) => self.offer(sample),
            finding => self.conclusions.note(*sample, finding),
        }
    }

    /// Offers a sample to the audit's thread. All events before the sampled command must be durable.
    pub(crate) fn offer(&self, sample: Box<Sample>) {
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.to.try_send(sample) {
            self.conclusions.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Auditor {
    samples: Receiver<Box<Sample>>,
    reader: Reader,
    conclusions: Conclusions,
    stopping: Interrupt,
}

impl Auditor {
    fn run(self) {
        priority::stand_back();
        let (mut cpu_time, mut allowance) = (CpuTime::now(), Allowance::new(Instant::now()));
        for sample in &self.samples {
            self.rest(allowance.debt(Instant::now()));
            // Revisions that take no commands any more need no audit.
            let is_in_use =
                sample.domain.active().revision == sample.active.revision && !sample.active.health.is_shut();
            if self.stopping.is_set() || !is_in_use {
                continue;
            }
            let run = || run_again(&sample, &self.reader, &sample.limits);
            let finding = self.stopping.scope(|| sample.tenant.ended().scope(run));
            self.conclusions.note(*sample, finding);
            allowance.used(Duration::from_nanos(cpu_time.lap_ns()));
        }
    }

    /// Pauses for `debt`. The thread that stops the host wakes this one.
    fn rest(&self, debt: Duration) {
        let until = Instant::now() + debt;
        while !self.stopping.is_set() {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { break };
            std::thread::park_timeout(left);
        }
    }
}

fn run_again(sample: &Sample, reader: &Reader, limits: &Limits) -> Finding {
    let again = catch_unwind(AssertUnwindSafe(|| sample.run_again(reader, limits)));
    again.unwrap_or_else(|_| Finding::Inconclusive("the audit panicked".into()))
}

impl Conclusions {
    fn note(&self, sample: Sample, finding: Finding) {
        let counter = match finding {
            Finding::Same => &self.counts.same,
            Finding::Differs(_) => &self.counts.different,
            Finding::Inconclusive(_) => &self.counts.inconclusive,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        match finding {
            Finding::Same => {}
            Finding::Differs(what) => {
                let command = &sample.command;
                let cause = format!(
                    "it remembers what is in no event: command {} ({}) to {} {}, run again in a fresh instance after sequence {}, \
                     had another result: {what}. A HashMap or HashSet causes this by its order: use BTreeMap and BTreeSet. A static or thread-local causes it too",
                    command.name, command.id, command.aggregate, command.aggregate_id, sample.sequence_before
                );
                let Sample { tenant, domain, active, .. } = sample;
                // The revision decides nothing more from here on, however long the withdrawal takes. The first of
                // several samples condemns it.
                if active.health.shut(&cause) {
                    self.withdrawals.condemn(Withdrawal { tenant, domain, active, cause, ground: Cause::Impure });
                }
            }
            Finding::Inconclusive(problem) => {
                tracing::debug!(domain = %sample.domain.name, problem, "a command could not be run again");
            }
        }
    }
}

/// CPU time that the audit may use. Unused time is saved up, up to [`CPU_SAVED_MAX`].
struct Allowance {
    saved: Duration,
    owed: Duration,
    looked: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { saved: CPU_SAVED_MAX, owed: Duration::ZERO, looked: now }
    }

    fn used(&mut self, cpu_time: Duration) {
        let covered = cpu_time.min(self.saved);
        self.saved -= covered;
        self.owed += cpu_time - covered;
    }

    /// How long to pause for the CPU time used beyond what was saved up.
    fn debt(&mut self, now: Instant) -> Duration {
        let earned = now.saturating_duration_since(self.looked) / CPU_SHARE;
        self.looked = now;
        let paid = earned.min(self.owed);
        self.owed -= paid;
        self.saved = (self.saved + (earned - paid)).min(CPU_SAVED_MAX);
        self.owed * CPU_SHARE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saved_time_is_used_at_once_and_more_time_must_be_waited_for() {
        let began = Instant::now();
        let mut allowance = Allowance::new(began);
        allowance.used(CPU_SAVED_MAX);
        assert_eq!(allowance.debt(began), Duration::ZERO);
        allowance.used(Duration::from_millis(3));
        assert_eq!(allowance.debt(began), Duration::from_millis(3) * CPU_SHARE);
        assert_eq!(
            allowance.debt(began + Duration::from_millis(1) * CPU_SHARE),
            Duration::from_millis(2) * CPU_SHARE,
            "a part of the pause has passed"
        );
        let later = began + Duration::from_millis(5) * CPU_SHARE;
        assert_eq!(allowance.debt(later), Duration::ZERO);
        allowance.used(Duration::from_millis(2));
        assert_eq!(allowance.debt(later), Duration::ZERO, "unused time is saved");
        allowance.debt(began + CPU_SAVED_MAX * CPU_SHARE * 9);
        allowance.used(CPU_SAVED_MAX * 2);
        assert_eq!(
            allowance.debt(began + CPU_SAVED_MAX * CPU_SHARE * 9),
            CPU_SAVED_MAX * CPU_SHARE,
            "but only up to the bound"
        );
    }
}
