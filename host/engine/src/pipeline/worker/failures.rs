//! What becomes of a command whose call gave no answer: it is run once more, goes to the slow lane, or is refused; and whether the revision is
//! blamed for it.

use std::sync::Arc;

use polder_core::Command;
use polder_sandbox::CallErrorKind;

use super::{Failure, FoldError, Worker, address_of, limits_of, overran_slice};
use crate::SubmitError;
use crate::domain::Active;
use crate::health::{Condemned, Ground, Origin, Sentence};
use crate::pipeline::job::Target;

impl Worker {
    /// Whether another command may have left behind what ended the instance: memory that leaked, say. Guests are pure, so running the
    /// command again in a fresh one changes nothing but that.
    pub(super) fn may_be_worn_out(&self, target: &Target, error: &FoldError) -> bool {
        let FoldError::Call(error) = error else { return false };
        let is_ended_by_code = matches!(
            error.kind,
            CallErrorKind::Trapped(_)
                | CallErrorKind::OutOfMemory { .. }
                | CallErrorKind::TooManyHandles { .. }
                | CallErrorKind::Misbehaved(_)
        );
        let seat = self.seats.get(&address_of(&target.domain));
        error.instance_lost && is_ended_by_code && seat.is_some_and(|seat| !seat.is_fresh)
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
            // This aggregate's state is gone.
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
            target.domain.conduct.overran();
            return Failure::Overran(Box::new(command));
        }
        if let Some(exhausted) = error.host_memory() {
            self.give_memory_back();
            return Failure::Refused(SubmitError::MemoryExhausted(exhausted.clone()));
        }
        if let Some(refused) = over_limit(&error.kind) {
            // The caller's to mend: the revision is not blamed for what a caller sent.
            return Failure::Refused(refused);
        }
        self.metrics.faulted();
        tracing::warn!(domain = %target.domain.name, revision = %active.revision.short(), %error, "a guest failed");
        self.blame(target, active, Origin::of(&command, target.key));
        Failure::Refused(SubmitError::GuestFault {
            domain: target.domain.name.clone(),
            revision: active.revision,
            reason: error.to_string(),
        })
    }

    /// One more of the revision's calls failed.
    fn blame(&self, target: &Target, active: &Arc<Active>, origin: Origin) {
        let (tenant, domain) = (target.admission.tenant(), &target.domain);
        match active.health.failed(origin) {
            None | Some(Sentence::Mend) => {}
            Some(Sentence::Spare { cause }) => {
                tracing::warn!(tenant = %tenant.name, domain = %domain.name, cause, "a domain fails for one caller or one aggregate");
            }
            Some(Sentence::Break { cause }) => {
                tracing::error!(tenant = %tenant.name, domain = %domain.name, cause, "a domain takes no commands for now");
            }
            Some(Sentence::Withdraw { cause }) => self.withdrawals.condemn(Condemned {
                tenant: Arc::clone(tenant),
                domain: Arc::clone(domain),
                active: Arc::clone(active),
                cause,
                ground: Ground::Faults,
            }),
        }
    }
}

/// The answer to a command that asks for more than a limit allows; `None` for what is a failure.
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
