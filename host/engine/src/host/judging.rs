//! Carries out the withdrawal of revisions that were found bad.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use super::Inner;
use crate::health::{Cause, Withdrawal, carry_out};

/// Withdraws revisions as they are condemned, until the host shuts down.
pub(super) fn start(inner: &Arc<Inner>, condemned: Receiver<Withdrawal>) -> std::io::Result<()> {
    let inner: Weak<Inner> = Arc::downgrade(inner);
    carry_out(condemned, move |condemned| match inner.upgrade() {
        Some(inner) => inner.go_back(condemned),
        None => Err("the host is shutting down".into()),
    })
}

impl Inner {
    /// Withdraws the revision and waits for it. This thread has no other work.
    fn go_back(self: &Arc<Self>, condemned: &Withdrawal) -> Result<(), String> {
        let Withdrawal { tenant, domain, active, cause, ground } = condemned;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Self::stays(condemned, &error))?;
        let withdrawn = self.withdraw(Arc::clone(tenant), &domain.name, active.revision, cause.clone());
        let Err(error) = runtime.block_on(withdrawn) else { return Ok(()) };
        let problem = Self::stays(condemned, &error);
        if *ground == Cause::Impure {
            let quarantined = self.quarantine_active(tenant, &domain.name, active.revision, cause.clone());
            runtime.block_on(quarantined).map_err(|error| format!("{problem}; nor recorded as bad: {error}"))?;
        }
        Err(problem)
    }

    /// Handles a revision that could not be withdrawn: its circuit breaker keeps callers from it. Returns the reason.
    fn stays(condemned: &Withdrawal, problem: &dyn std::fmt::Display) -> String {
        if condemned.ground == Cause::Faults {
            condemned.active.health.break_circuit();
        }
        problem.to_string()
    }
}
