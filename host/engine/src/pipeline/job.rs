//! A command on its way to its worker.

use std::sync::Arc;

use polder_core::{Command, CommandAck};
use polder_journal::AggregateKey;
use tokio::sync::oneshot;

use crate::SubmitError;
use crate::domain::Domain;
use crate::tenant::Admission;

pub(crate) type ReplySender = oneshot::Sender<Result<CommandAck, SubmitError>>;

pub(crate) struct Job {
    pub(crate) command: Command,
    pub(crate) domain: Arc<Domain>,
    pub(crate) key: AggregateKey,
    pub(crate) admission: Admission,
    pub(crate) reply: ReplySender,
}

impl Job {
    /// For answers that say nothing of what is not durable yet.
    pub(crate) fn answer(self, answer: Result<CommandAck, SubmitError>) {
        // The caller may have gone away; the answer is then nobody's.
        drop(self.reply.send(answer));
    }
}
