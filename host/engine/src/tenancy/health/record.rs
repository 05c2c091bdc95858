//! The health of one revision while it is active: how its calls ended, and whether it takes commands.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::judgement::{CircuitAction, CircuitState, Judgement, PROBATION};
use super::origins::Origin;

/// How a revision became active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probation {
    /// It was activated by a deployment.
    New,
    /// It was active before, at the host's last stop or before a rollback.
    Proven,
    /// It was attached without a deployment, so it is not judged.
    Attached,
}

pub(crate) struct Health {
    probation: Probation,
    since: Instant,
    judgement: Mutex<Judgement>,
    /// Whether the circuit is not closed, or the revision is shut. It is the only field that every command reads.
    is_watched: AtomicBool,
    /// Why the revision is shut permanently, if it is.
    shut: OnceLock<String>,
    calls: AtomicU64,
    faults: AtomicU64,
}

/// The refusal of a command by a revision that is out of service.
pub(crate) struct OutOfService {
    pub(crate) reason: String,
    /// The pause before a retry. `None` if a retry is useless until another revision is active.
    pub(crate) retry_after: Option<Duration>,
}

impl Health {
    pub(crate) fn new(probation: Probation) -> Self {
        Self {
            probation,
            since: Instant::now(),
            judgement: Mutex::new(Judgement::new()),
            is_watched: AtomicBool::new(false),
            shut: OnceLock::new(),
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        }
    }

    pub(crate) fn admit(&self) -> Result<(), OutOfService> {
        if !self.is_watched.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Some(cause) = self.shut.get() {
            return Err(OutOfService { reason: cause.clone(), retry_after: None });
        }
        self.judgement().admit(self.age()).map_err(|retry_after| OutOfService {
            reason: "too many of its calls failed; it takes a trial command now and then".into(),
            retry_after: Some(retry_after),
        })
    }

    /// Reports that this many calls ended well since the last report.
    pub(crate) fn ended_well(&self, calls: u64) -> Option<CircuitAction> {
        self.calls.fetch_add(calls, Ordering::Relaxed);
        if self.probation == Probation::Attached || !self.is_watched.load(Ordering::Relaxed) {
            return None;
        }
        self.judge(|judgement| judgement.ended_well(calls))
    }

    /// Reports a failed call of `origin`.
    pub(crate) fn failed(&self, origin: Origin) -> Option<CircuitAction> {
        self.faults.fetch_add(1, Ordering::Relaxed);
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if self.probation == Probation::Attached {
            return None;
        }
        self.judge(|judgement| judgement.failed(self.age(), origin, calls))
    }

    fn judge(&self, ended: impl FnOnce(&mut Judgement) -> Option<CircuitAction>) -> Option<CircuitAction> {
        let mut judgement = self.judgement();
        let sentence = ended(&mut judgement);
        self.watch(&judgement);
        sentence
    }

    /// Opens the circuit of a revision that has no predecessor to go back to.
    pub(crate) fn break_circuit(&self) {
        let mut judgement = self.judgement();
        judgement.break_circuit(self.age());
        self.watch(&judgement);
    }

    /// Shuts the revision permanently. Returns whether it was open until now; otherwise the first cause stays.
    pub(crate) fn shut(&self, cause: &str) -> bool {
        let was_open = self.shut.set(cause.to_owned()).is_ok();
        self.watch(&self.judgement());
        was_open
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut.get().is_some()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn faults(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// The state of the circuit. It is open, too, when the revision is shut.
    pub(crate) fn circuit(&self) -> CircuitState {
        if self.is_shut() { CircuitState::Open } else { self.judgement().circuit() }
    }

    fn watch(&self, judgement: &Judgement) {
        let is_closed = judgement.circuit() == CircuitState::Closed && !self.is_shut();
        self.is_watched.store(!is_closed, Ordering::Relaxed);
    }

    /// Time since the activation. A revision that was active before the host started counts as no longer new.
    fn age(&self) -> Duration {
        let before = if self.probation == Probation::Proven { PROBATION } else { Duration::ZERO };
        before + self.since.elapsed()
    }

    fn judgement(&self) -> MutexGuard<'_, Judgement> {
        self.judgement.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(health: &Health, faults: u64) -> Option<CircuitAction> {
        (0..faults).find_map(|number| health.failed(Origin { caller: number, aggregate: number }))
    }

    #[test]
    fn an_attached_revision_is_not_judged() {
        let health = Health::new(Probation::Attached);
        assert_eq!(fail(&health, 100), None);
        assert_eq!((health.calls(), health.faults()), (100, 100));
    }

    #[test]
    fn a_proven_revision_is_not_withdrawn() {
        assert!(matches!(fail(&Health::new(Probation::New), 10), Some(CircuitAction::Withdraw { .. })));
        let proven = Health::new(Probation::Proven);
        assert!(matches!(fail(&proven, 10), Some(CircuitAction::Break { .. })));
        assert!(proven.admit().is_err_and(|closed| closed.retry_after.is_some()));
    }

    #[test]
    fn a_shut_revision_stays_shut() {
        let health = Health::new(Probation::New);
        assert!(health.admit().is_ok());
        assert!(health.shut("it forgets"));
        assert!(!health.shut("it lies"), "the first cause stays");
        health.ended_well(100);
        let closed = health.admit().unwrap_err();
        assert_eq!((closed.reason.as_str(), closed.retry_after), ("it forgets", None));
    }
}
