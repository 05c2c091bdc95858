//! What becomes of a revision that was found bad.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use super::Inner;
use crate::health::{Condemned, Ground, carry_out};

/// Takes revisions out of use as they are condemned, for as long as the host is there.
pub(super) fn start(inner: &Arc<Inner>, condemned: Receiver<Condemned>) -> std::io::Result<()> {
    let inner: Weak<Inner> = Arc::downgrade(inner);
    carry_out(condemned, move |condemned| match inner.upgrade() {
        Some(inner) => inner.go_back(condemned),
        None => Err("the host is shutting down".into()),
    })
}

impl Inner {
    /// On this thread: it is there for nothing else.
    fn go_back(self: &Arc<Self>, condemned: &Condemned) -> Result<(), String> {
        let Condemned { tenant, domain, active, cause, ground } = condemned;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Self::stays(condemned, &error))?;
        let withdrawn = self.withdraw(Arc::clone(tenant), &domain.name, active.revision, cause.clone());
        let Err(error) = runtime.block_on(withdrawn) else { return Ok(()) };
        let problem = Self::stays(condemned, &error);
        if *ground == Ground::Impure {
            let quarantined = self.quarantine_active(tenant, &domain.name, active.revision, cause.clone());
            runtime.block_on(quarantined).map_err(|error| format!("{problem}; nor recorded as bad: {error}"))?;
        }
        Err(problem)
    }

    /// It stays in place, and its callers are kept from it. Gives the reason.
    fn stays(condemned: &Condemned, problem: &dyn std::fmt::Display) -> String {
        if condemned.ground == Ground::Faults {
            condemned.active.health.break_circuit();
        }
        problem.to_string()
    }
}
