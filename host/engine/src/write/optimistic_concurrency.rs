//! Optimistic concurrency: a command may name the sequence at which its caller has seen the aggregate. If the aggregate
//! has advanced since, the command is refused, and the caller reads again.

use polder_core::{Command, Sequence};

use crate::tenancy::SubmitError;

/// # Errors
/// Fails if the command expects another sequence than the aggregate's `actual` one.
pub(super) fn check_expected_sequence(command: &Command, actual: Sequence) -> Result<(), SubmitError> {
    match command.expected_sequence {
        Some(expected) if expected != actual => Err(SubmitError::Conflict { expected, actual }),
        _ => Ok(()),
    }
}
