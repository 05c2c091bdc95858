//! Answers repeated commands that are refused now but were acknowledged before. A caller that repeats the id of an
//! acknowledged command gets the first acknowledgement, even if the active revision does not know such commands any
//! more, or the tenant or its domain takes no commands at present.

use std::sync::Arc;

use polder_core::{Command, CommandAck, TenantName};
use polder_journal::{AggregateKey, CommandKey};

use super::commands::{Commands, Refused};
use super::idempotency::first_acknowledgement;
use crate::read::{Patience, READ_RETRY_MS, ReadError, ReadTurn};
use crate::tenancy::SubmitError;

impl Commands {
    pub(super) async fn answer_refused(self: Arc<Self>, refused: Box<Refused>) -> Result<CommandAck, SubmitError> {
        let Refused { error, command } = *refused;
        let answer = match self.acknowledged_before(&error, command).await {
            Some(answer) => answer,
            None => Err(error),
        };
        self.metrics.answered(&answer);
        answer
    }

    /// The answer to the earlier command of the same id. `None` when there was none, or when the refusal stands in any
    /// case.
    async fn acknowledged_before(
        self: &Arc<Self>,
        error: &SubmitError,
        command: Command,
    ) -> Option<Result<CommandAck, SubmitError>> {
        let is_final = matches!(
            error,
            // In these cases the earlier command is unknown or cannot be read here, another host knows more, or the
            // caller has to wait.
            SubmitError::SystemTenant
                | SubmitError::UnknownTenant(_)
                | SubmitError::TenantUnavailable(_)
                | SubmitError::NotOwner
                | SubmitError::ShuttingDown
                | SubmitError::Busy { .. }
                | SubmitError::MemoryExhausted(_)
        );
        let id = command.id.clone().filter(|_| !is_final)?;
        let tenant = self.directory.get(&command.tenant)?;
        // The lookup takes one of the tenant's places, as the command itself would.
        let place = match tenant.take_place(&tenant.limits()) {
            Ok(place) => place,
            Err(busy) => return Some(Err(busy)),
        };
        let (reader, name) = (self.reader.clone(), command.tenant.clone());
        let work = move |_: &ReadTurn<'_>| {
            let _held = &place;
            let aggregate =
                AggregateKey::of(&command.tenant, &command.domain, &command.aggregate, &command.aggregate_id);
            Ok(first_acknowledgement(&reader, &command, &id, CommandKey::of(aggregate, &id)).transpose())
        };
        match self.reads.run(&name, Patience::Bounded, work).await {
            Ok(answer) => answer,
            // It is not known whether the command was acknowledged before, so its refusal must not be the answer.
            Err(error) => Some(Err(not_read(&name, error))),
        }
    }
}

/// The answer to a command whose earlier acknowledgement could not be looked up.
fn not_read(tenant: &TenantName, error: ReadError) -> SubmitError {
    let busy = |limit, value| {
        let tenant = tenant.clone();
        SubmitError::Busy { tenant, limit, value, retry_after_ms: READ_RETRY_MS }
    };
    match error {
        ReadError::Busy { limit, value, .. } | ReadError::HostBusy { limit, value } => busy(limit, value),
        ReadError::ShuttingDown => SubmitError::ShuttingDown,
        error => SubmitError::ReadOnly(error.to_string()),
    }
}
