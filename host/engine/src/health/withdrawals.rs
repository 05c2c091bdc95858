//! Carries out what was judged, on a thread of its own: going back to another revision takes a replay and a record, and whoever
//! finds a revision bad has commands to decide.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::domain::{Active, Domain};
use crate::tenant::Tenant;

/// A revision that has to go.
pub(crate) struct Condemned {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) domain: Arc<Domain>,
    pub(crate) active: Arc<Active>,
    pub(crate) cause: String,
    pub(crate) ground: Ground,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Its calls fail. With nothing to go back to, it is tried again now and then.
    Faults,
    /// What it decides cannot be trusted: it is shut already. With nothing to go back to, the domain takes no commands.
    Impure,
}

/// To whoever carries it out.
#[derive(Clone)]
pub(crate) struct Withdrawals {
    to: Sender<Condemned>,
}

impl Withdrawals {
    pub(crate) fn new() -> (Self, Receiver<Condemned>) {
        let (to, condemned) = channel();
        (Self { to }, condemned)
    }

    pub(crate) fn condemn(&self, condemned: Condemned) {
        // Nobody is there when the host shuts down. The revision is judged again after the next start.
        drop(self.to.send(condemned));
    }
}

/// Until nobody is left to condemn. `withdraw` says why when it could not.
pub(crate) fn carry_out(
    condemned: Receiver<Condemned>,
    withdraw: impl Fn(&Condemned) -> Result<(), String> + Send + 'static,
) -> std::io::Result<()> {
    let run = move || {
        for condemned in condemned {
            one(&condemned, &withdraw);
        }
    };
    std::thread::Builder::new().name("withdrawals".into()).spawn(run).map(drop)
}

fn one(condemned: &Condemned, withdraw: &impl Fn(&Condemned) -> Result<(), String>) {
    let Condemned { tenant, domain, active, cause, .. } = condemned;
    let (tenant, domain, revision) = (&tenant.name, &domain.name, active.revision.short());
    match withdraw(condemned) {
        Ok(()) => tracing::error!(%tenant, %domain, %revision, cause, "a bad revision was withdrawn"),
        Err(problem) => {
            tracing::error!(%tenant, %domain, %revision, cause, problem, "a bad revision could not be withdrawn");
        }
    }
}
