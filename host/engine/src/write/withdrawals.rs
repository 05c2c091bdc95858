//! Carries out withdrawals on a thread of its own. Going back to another revision takes a replay and a record, and the
//! worker that finds a revision bad has commands to decide.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::tenancy::{Active, Domain, Tenant};

/// A revision that must be withdrawn.
pub(crate) struct Withdrawal {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) domain: Arc<Domain>,
    pub(crate) active: Arc<Active>,
    pub(crate) cause: String,
    pub(crate) ground: Cause,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Its calls fail. If there is no revision to go back to, its circuit breaker admits a trial command now and then.
    Faults,
    /// Its decisions cannot be trusted, and it is shut already. If there is no revision to go back to, the domain takes
    /// no commands.
    Impure,
}

/// Sends condemned revisions to the thread that withdraws them.
#[derive(Clone)]
pub(crate) struct Withdrawals {
    to: Sender<Withdrawal>,
}

impl Withdrawals {
    pub(crate) fn new() -> (Self, Receiver<Withdrawal>) {
        let (to, condemned) = channel();
        (Self { to }, condemned)
    }

    pub(crate) fn condemn(&self, condemned: Withdrawal) {
        // There is no receiver while the host shuts down. The revision is judged again after the next start.
        drop(self.to.send(condemned));
    }
}

/// Withdraws each condemned revision until all senders are dropped. `withdraw` returns the reason when it failed.
pub(crate) fn carry_out(
    condemned: Receiver<Withdrawal>,
    withdraw: impl Fn(&Withdrawal) -> Result<(), String> + Send + 'static,
) -> std::io::Result<()> {
    let run = move || {
        for condemned in condemned {
            one(&condemned, &withdraw);
        }
    };
    std::thread::Builder::new().name("withdrawals".into()).spawn(run).map(drop)
}

fn one(condemned: &Withdrawal, withdraw: &impl Fn(&Withdrawal) -> Result<(), String>) {
    let Withdrawal { tenant, domain, active, cause, .. } = condemned;
    let (tenant, domain, revision) = (&tenant.name, &domain.name, active.revision.short());
    match withdraw(condemned) {
        Ok(()) => tracing::error!(%tenant, %domain, %revision, cause, "a bad revision was withdrawn"),
        Err(problem) => {
            tracing::error!(%tenant, %domain, %revision, cause, problem, "a bad revision could not be withdrawn");
        }
    }
}
