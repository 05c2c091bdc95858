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
    pub(crate) target: Target,
    pub(crate) reply: ReplySender,
}

/// Where the command goes, found before it is handed to a worker.
pub(crate) struct Target {
    pub(crate) domain: Arc<Domain>,
    pub(crate) key: AggregateKey,
    pub(crate) admission: Admission,
}
