//! A command on its way: to its worker, and from there to the slow lane and back.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use polder_core::{Command, CommandAck, Position, Revision};
use polder_journal::AggregateKey;
use tokio::sync::oneshot;

use super::ready::ReadySeat;
use super::worker::Unsettled;
use crate::SubmitError;
use crate::domain::Domain;
use crate::passage::OnPassage;
use crate::tenant::{Admission, Tenant};

pub(crate) type ReplySender = oneshot::Sender<Result<CommandAck, SubmitError>>;

pub(crate) struct Job {
    pub(crate) command: Command,
    pub(crate) target: Target,
    pub(crate) reply: ReplySender,
}

/// Where the command goes, found before it is handed to a worker.
pub(crate) struct Target {
    pub(crate) domain: Arc<Domain>,
    pub(crate) key: AggregateKey,
    pub(crate) admission: Admission,
    pub(crate) passage: OnPassage,
}

impl Job {
    pub(super) fn tenant(&self) -> &Arc<Tenant> {
        self.target.admission.tenant()
    }
}

/// What a worker's thread is told.
pub(super) enum Message {
    Command(Box<Job>),
    /// A command that was lent to the slow lane is done with there.
    Returned(Box<Returned>),
    /// The domain has another revision.
    Switched(Arc<Tenant>, Arc<Domain>),
    /// What was kept of a revision of the domain is wanted.
    Reclaim(Arc<Domain>, Revision, Sender<(ReadySeat, Position)>),
    /// The host has no memory left: guest memory that is not in use is to be given back.
    GiveMemoryBack,
    /// Nothing else comes, apart from what is lent.
    Stop,
}

pub(super) struct Returned {
    pub(super) domain: Arc<Domain>,
    /// To be made durable and told to its caller; `None` when the caller has his answer, or will get none.
    pub(super) unsettled: Option<(Unsettled, Durable)>,
}

/// Dropped once the decision is durable, or never will be.
pub(super) struct Durable {
    pub(super) _signal: Sender<()>,
}

/// A command on the slow lane.
pub(super) struct Lent {
    pub(super) job: Box<Job>,
    /// States of an earlier loan are out of date.
    pub(super) loan: u64,
    pub(super) lender: usize,
    pub(super) ticket: Ticket,
}

/// Comes back to the lender whatever becomes of the command, also when the slow lane's thread panics.
pub(super) struct Ticket {
    returned: Option<Returned>,
    to: Sender<Message>,
}

impl Ticket {
    pub(super) fn new(domain: &Arc<Domain>, to: &Sender<Message>) -> Self {
        Self { returned: Some(Returned { domain: Arc::clone(domain), unsettled: None }), to: to.clone() }
    }

    pub(super) fn give_back(mut self, unsettled: Unsettled, durable: Durable) {
        if let Some(returned) = &mut self.returned {
            returned.unsettled = Some((unsettled, durable));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(returned) = self.returned.take() {
            // A lender that is gone has panicked: the host takes no more commands, and the callers learn of it.
            drop(self.to.send(Message::Returned(Box::new(returned))));
        }
    }
}
