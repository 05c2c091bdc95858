//! A command on its way to its worker, and from there to the slow lane and back.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use polder_core::{Command, Position, Revision};
use polder_journal::AggregateKey;

use super::batch::ReplySender;
use super::pending_reply::PendingReply;
use super::prepared::PreparedInstance;
use crate::tenancy::{Admission, Domain, InFlightGuard, Tenant};

pub(crate) struct Job {
    pub(crate) command: Command,
    pub(crate) target: Target,
    pub(crate) reply: ReplySender,
}

/// Destination of a command, determined before it is sent to a worker.
pub(crate) struct Target {
    pub(crate) domain: Arc<Domain>,
    pub(crate) key: AggregateKey,
    /// The revision whose descriptor has the command. Another one may be active when the command is decided.
    pub(crate) checked_by: Revision,
    pub(crate) admission: Admission,
    pub(crate) in_flight: InFlightGuard,
}

impl Job {
    pub(super) fn tenant(&self) -> &Arc<Tenant> {
        self.target.admission.tenant()
    }
}

/// Messages to the thread of a worker.
pub(super) enum Message {
    Command(Box<Job>),
    /// The slow lane is done with a lent command.
    Returned(Box<Returned>),
    /// The domain has a new active revision.
    Switched(Arc<Tenant>, Arc<Domain>),
    /// Asks for what was kept of a revision of the domain.
    Reclaim(Arc<Domain>, Revision, Sender<(PreparedInstance, Position)>),
    /// The host has no memory left: the worker releases unused guest memory.
    GiveMemoryBack,
    /// No more messages follow, except for returned commands.
    Stop,
}

pub(super) struct Returned {
    pub(super) domain: Arc<Domain>,
    /// A decision to make durable and to answer. `None` if the caller has its answer already, or gets none.
    pub(super) pending_reply: Option<(PendingReply, Durable)>,
}

/// Dropped once the decision is durable, or once it is certain that it will not be.
pub(super) struct Durable {
    pub(super) _signal: Sender<()>,
}

/// A command on the slow lane.
pub(super) struct Lent {
    pub(super) job: Box<Job>,
    /// Number of the loan. States of an earlier loan are out of date.
    pub(super) loan: u64,
    pub(super) lender: usize,
    pub(super) ticket: Ticket,
}

/// Returns to the lender in every case, even when the slow lane's thread panics.
pub(super) struct Ticket {
    returned: Option<Returned>,
    to: Sender<Message>,
}

impl Ticket {
    pub(super) fn new(domain: &Arc<Domain>, to: &Sender<Message>) -> Self {
        Self { returned: Some(Returned { domain: Arc::clone(domain), pending_reply: None }), to: to.clone() }
    }

    pub(super) fn give_back(mut self, pending_reply: PendingReply, durable: Durable) {
        if let Some(returned) = &mut self.returned {
            returned.pending_reply = Some((pending_reply, durable));
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(returned) = self.returned.take() {
            // A lender that is gone has panicked. The host takes no more commands, and the callers see closed channels.
            drop(self.to.send(Message::Returned(Box::new(returned))));
        }
    }
}
