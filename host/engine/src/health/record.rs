//! What is known of one revision while it is active: how its calls went, and whether commands are let in.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::judgement::{CircuitState, Counts, Judgement, PROBATION, Sentence};

/// How a revision came to be active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Just now.
    New,
    /// It was when the host stopped.
    Proven,
    /// Without being deployed: nobody judges it.
    Attached,
}

pub(crate) struct Health {
    standing: Standing,
    since: Instant,
    judgement: Mutex<Judgement>,
    /// The circuit is not closed. The one thing asked for at each command.
    is_watched: AtomicBool,
    /// For good, and why.
    shut: OnceLock<String>,
    calls: AtomicU64,
    faults: AtomicU64,
}

/// A command is not let in.
pub(crate) struct OutOfService {
    pub(crate) reason: String,
    /// `None`: not before another revision is active.
    pub(crate) retry_after: Option<Duration>,
}

impl Health {
    pub(crate) fn new(standing: Standing) -> Self {
        Self {
            standing,
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
            reason: "too many of its calls failed; it is tried again now and then".into(),
            retry_after: Some(retry_after),
        })
    }

    /// So many calls ended, so many of them badly.
    pub(crate) fn report(&self, calls: u64, faults: u64) -> Option<Sentence> {
        let ended = Counts { calls, faults };
        let total = Counts {
            calls: self.calls.fetch_add(calls, Ordering::Relaxed) + calls,
            faults: self.faults.fetch_add(faults, Ordering::Relaxed) + faults,
        };
        if self.standing == Standing::Attached || faults == 0 && !self.is_watched.load(Ordering::Relaxed) {
            return None;
        }
        let mut judgement = self.judgement();
        let sentence = judgement.report(self.age(), ended, total);
        self.watch(&judgement);
        sentence
    }

    /// There was nothing to go back to.
    pub(crate) fn break_circuit(&self) {
        let mut judgement = self.judgement();
        judgement.break_circuit(self.age());
        self.watch(&judgement);
    }

    /// Lets no command in any more. Gives whether it did until now: the first cause stays.
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

    /// Open also when it is shut for good.
    pub(crate) fn circuit(&self) -> CircuitState {
        if self.is_shut() { CircuitState::Open } else { self.judgement().circuit() }
    }

    fn watch(&self, judgement: &Judgement) {
        let is_closed = judgement.circuit() == CircuitState::Closed && !self.is_shut();
        self.is_watched.store(!is_closed, Ordering::Relaxed);
    }

    /// Since it became active; one that was active before the host started is no longer new.
    fn age(&self) -> Duration {
        let before = if self.standing == Standing::Proven { PROBATION } else { Duration::ZERO };
        before + self.since.elapsed()
    }

    fn judgement(&self) -> MutexGuard<'_, Judgement> {
        self.judgement.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_attached_is_not_judged() {
        let health = Health::new(Standing::Attached);
        assert_eq!(health.report(100, 100), None);
        assert_eq!((health.calls(), health.faults()), (100, 100));
    }

    #[test]
    fn what_was_active_before_is_not_withdrawn() {
        assert!(matches!(Health::new(Standing::New).report(10, 10), Some(Sentence::Withdraw { .. })));
        let proven = Health::new(Standing::Proven);
        assert!(matches!(proven.report(10, 10), Some(Sentence::Break { .. })));
        assert!(proven.admit().is_err_and(|closed| closed.retry_after.is_some()));
    }

    #[test]
    fn what_is_shut_stays_shut() {
        let health = Health::new(Standing::New);
        assert!(health.admit().is_ok());
        assert!(health.shut("it forgets"));
        assert!(!health.shut("it lies"), "once is enough");
        health.report(100, 0);
        let closed = health.admit().unwrap_err();
        assert_eq!((closed.reason.as_str(), closed.retry_after), ("it forgets", None));
    }
}
