//! Idempotency: a command id that was handled before gets its first acknowledgement again, whatever the active revision
//! knows by now.

use polder_core::{Command, CommandAck, CommandId, CommandStatus, CorrelationId, Fingerprint, subject};
use polder_journal::{CommandKey, Reader, RecordBuf};

use super::verdict::acknowledgement;
use crate::tenancy::SubmitError;

/// The first acknowledgement of a command that was handled before. `None` if the id is new, or if the command was
/// rejected and its caller wants it decided again.
///
/// # Errors
/// Fails if the id belongs to another command, or if the journal cannot be read.
pub(crate) fn first_acknowledgement(
    reader: &Reader,
    command: &Command,
    id: &CommandId,
    key: CommandKey,
) -> Result<Option<CommandAck>, SubmitError> {
    let record = match reader.decision(key) {
        Ok(Some(record)) => record,
        Ok(None) => return Ok(None),
        Err(error) => return Err(SubmitError::ReadOnly(error.to_string())),
    };
    let was_rejected = record.view().reason().is_some();
    if was_rejected && command.retry_rejected {
        return Ok(None);
    }
    if record.view().fingerprint() != Fingerprint::of(&command.name, &command.payload) {
        return Err(SubmitError::IdReused { id: id.clone(), was_rejected });
    }
    Ok(Some(repeated(command, id, &record)))
}

/// The acknowledgement that a command got when it was handled, even if the active revision does not know such commands
/// any more.
fn repeated(command: &Command, id: &CommandId, record: &RecordBuf) -> CommandAck {
    let view = record.view();
    let reason = view.reason();
    let status = if reason.is_some() { CommandStatus::Rejected } else { CommandStatus::Accepted };
    let correlation_id = CorrelationId::new(view.correlation_id()).unwrap_or_else(|_| CorrelationId::from(id));
    let subject = subject::stream(&command.tenant, &command.domain, &command.aggregate);
    let ack = acknowledgement(subject, command, status, id.clone(), correlation_id, reason);
    CommandAck { sequence: view.sequence(), position: view.position(), repeated: true, ..ack }
}
