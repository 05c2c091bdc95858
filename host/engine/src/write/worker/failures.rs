//! Handles commands whose call failed. The command is run once more, moved to the slow lane, or refused. This module
//! also decides whether the failure counts against the revision.

use std::sync::Arc;

use polder_core::Command;
use polder_sandbox::CallErrorKind;

use super::{Failure, Worker, limits_of};
use crate::folding::FoldError;
use crate::tenancy::{Active, CircuitAction, Origin, SubmitError, overran_slice};
use crate::write::job::Target;
use crate::write::shared::address_of;
use crate::write::withdrawals::{Cause, Withdrawal};

impl Worker {
    /// Whether an earlier command may have caused the instance to fail, for example by leaking memory. Guests are pure,
    /// so running the command again in a fresh instance only removes that cause.
    pub(super) fn may_be_worn_out(&self, target: &Target, error: &FoldError) -> bool {
        let FoldError::Call(error) = error else { return false };
        let is_ended_by_code = matches!(
            error.kind,
            CallErrorKind::Trapped(_)
                | CallErrorKind::OutOfMemory { .. }
                | CallErrorKind::TooManyHandles { .. }
                | CallErrorKind::Misbehaved(_)
        );
        let resident = self.residents.get(&address_of(&target.domain));
        error.instance_lost && is_ended_by_code && resident.is_some_and(|resident| !resident.is_fresh)
    }

    pub(super) fn failed(
        &mut self,
        target: &Target,
        active: &Arc<Active>,
        command: Command,
        error: FoldError,
    ) -> Failure {
        let error = match error {
            FoldError::Call(error) => error,
            FoldError::Journal(error) => return Failure::Refused(SubmitError::ReadOnly(error.to_string())),
            FoldError::Content(error) => return Failure::Refused(SubmitError::ReadOnly(error.to_string())),
        };
        if error.instance_lost {
            self.give_up(address_of(&target.domain));
        } else {
            // This aggregate's state was lost in the call. It is rebuilt from the journal, so its decisions must be
            // durable.
            self.settle();
        }
        if error.kind == CallErrorKind::Interrupted {
            let tenant = target.admission.tenant();
            return Failure::Refused(match tenant.is_closing() {
                true => SubmitError::UnknownTenant(tenant.name.clone()),
                false => SubmitError::ShuttingDown,
            });
        }
        if overran_slice(&error.kind, &limits_of(target)) {
            target.domain.lane_policy.overran();
            return Failure::Overran(Box::new(command));
        }
        if let Some(exhausted) = error.host_memory() {
            self.give_memory_back();
            return Failure::Refused(SubmitError::MemoryExhausted(exhausted.clone()));
        }
        if let Some(refused) = over_limit(&error.kind) {
            // The caller has to fix the command. It does not count against the revision.
            return Failure::Refused(refused);
        }
        self.metrics.faulted();
        let (domain, revision, reason) = (target.domain.name.clone(), active.revision, error.to_string());
        target.admission.tenant().notes.log_failure(&domain, revision, &reason);
        self.blame(target, active, Origin::of(&command, target.key));
        Failure::Refused(SubmitError::GuestFault { domain, revision, reason })
    }

    /// Counts a failed call against the revision, and acts on the result.
    fn blame(&self, target: &Target, active: &Arc<Active>, origin: Origin) {
        let (tenant, domain) = (target.admission.tenant(), &target.domain);
        match active.health.failed(origin) {
            None | Some(CircuitAction::Mend) => {}
            Some(CircuitAction::Spare { cause }) => {
                tracing::warn!(tenant = %tenant.name, domain = %domain.name, cause, "a domain fails for one caller or one aggregate");
            }
            Some(CircuitAction::Break { cause }) => {
                tracing::error!(tenant = %tenant.name, domain = %domain.name, cause, "a domain takes no commands at present");
            }
            Some(CircuitAction::Withdraw { cause }) => self.withdrawals.condemn(Withdrawal {
                tenant: Arc::clone(tenant),
                domain: Arc::clone(domain),
                active: Arc::clone(active),
                cause,
                ground: Cause::Faults,
            }),
        }
    }
}

/// The refusal of a command that exceeds a limit; `None` if the error is a failure of the guest.
fn over_limit(kind: &CallErrorKind) -> Option<SubmitError> {
    match kind {
        CallErrorKind::OverLimit(over) => {
            Some(SubmitError::OverLimit { limit: over.limit, limit_value: over.max, reason: over.to_string() })
        }
        CallErrorKind::AnswerTooLarge { bytes_max } => Some(SubmitError::OverLimit {
            limit: "events_per_command_max",
            limit_value: *bytes_max as u64,
            reason: kind.to_string(),
        }),
        _ => None,
    }
}
