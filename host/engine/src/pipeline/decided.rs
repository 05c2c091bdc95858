//! What a worker has decided, on its way to the sequencer.

use std::sync::Arc;

use polder_core::{CommandAck, Position};
use polder_journal::EncodedRecord;
use tokio::sync::oneshot;

use super::job::ReplySender;
use crate::SubmitError;
use crate::tenant::{Admission, Tenant};

pub(crate) struct Decided {
    /// Which worker's, and its how many-eth; `None` for the host's own decisions.
    pub(crate) ticket: Option<(usize, u64)>,
    /// `None` when there is nothing to keep. The reply waits all the same: it may tell of what came before.
    pub(crate) record: Option<EncodedRecord>,
    pub(crate) reply: Reply,
}

pub(crate) enum Reply {
    /// The acknowledgement lacks its position until the record has one.
    Acknowledge {
        ack: CommandAck,
        to: ReplySender,
        admission: Admission,
    },
    Refuse {
        error: SubmitError,
        to: ReplySender,
        admission: Admission,
    },
    /// The host's own decision, about whomever: it lies in the host's own history.
    Own {
        to: oneshot::Sender<Result<Position, SubmitError>>,
    },
}

impl Reply {
    /// Whose history the decision belongs to; `None`: the host's own.
    pub(crate) fn tenant(&self) -> Option<&Arc<Tenant>> {
        match self {
            Self::Acknowledge { admission, .. } | Self::Refuse { admission, .. } => Some(admission.tenant()),
            Self::Own { .. } => None,
        }
    }

    /// Everything up to and with the decision is durable. A caller that has gone away misses its answer, no more.
    pub(crate) fn durable(self, position: Position) {
        match self {
            Self::Acknowledge { ack, to, admission } => {
                drop(admission);
                drop(to.send(Ok(CommandAck { position, ..ack })));
            }
            Self::Refuse { error, to, admission } => {
                drop(admission);
                drop(to.send(Err(error)));
            }
            Self::Own { to } => drop(to.send(Ok(position))),
        }
    }

    /// Nothing of it may be told.
    pub(crate) fn lost(self, reason: &str) {
        let error = SubmitError::ReadOnly(reason.to_owned());
        match self {
            Self::Acknowledge { to, .. } | Self::Refuse { to, .. } => drop(to.send(Err(error))),
            Self::Own { to } => drop(to.send(Err(error))),
        }
    }
}
