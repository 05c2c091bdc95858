//! Carries out the withdrawal of revisions that were found bad.

use std::sync::mpsc::Receiver;
use std::sync::{Arc, Weak};

use polder_core::{DomainName, Revision};

use super::answers::Deployed;
use super::deploy_error::DeployError;
use super::facts::DeploymentFact;
use super::options::CheckOptions;
use super::service::{DeploymentParts, DeploymentService};
use super::takeover::{Takeover, Why};
use crate::tenancy::Tenant;
use crate::write::{Cause, Withdrawal, carry_out};

impl DeploymentService {
    /// Withdraws revisions as they are found bad, until the host shuts down.
    pub(crate) fn start_withdrawals(&self, condemned: Receiver<Withdrawal>) -> std::io::Result<()> {
        let parts: Weak<DeploymentParts> = Arc::downgrade(&self.parts);
        carry_out(condemned, move |condemned| match parts.upgrade() {
            Some(parts) => Self { parts }.go_back_from(condemned),
            None => Err("the host is shutting down".into()),
        })
    }

    /// Withdraws the revision and waits for it. This thread has no other work.
    fn go_back_from(&self, condemned: &Withdrawal) -> Result<(), String> {
        let Withdrawal { tenant, domain, active, cause, ground } = condemned;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Self::stays(condemned, &error))?;
        let withdrawn = self.withdraw(Arc::clone(tenant), &domain.name, active.revision, cause.clone());
        let Err(error) = runtime.block_on(withdrawn) else { return Ok(()) };
        let problem = Self::stays(condemned, &error);
        if *ground == Cause::Impure {
            let quarantined = self.quarantine_active(tenant, &domain.name, active.revision, cause.clone());
            runtime.block_on(quarantined).map_err(|error| format!("{problem}; nor recorded as bad: {error}"))?;
        }
        Err(problem)
    }

    /// Handles a revision that could not be withdrawn: its circuit breaker keeps callers from it. Returns the reason.
    fn stays(condemned: &Withdrawal, problem: &dyn std::fmt::Display) -> String {
        if condemned.ground == Cause::Faults {
            condemned.active.health.break_circuit();
        }
        problem.to_string()
    }

    /// Withdraws a bad revision: the domain goes back to the revision before, and the bad one is quarantined. Does
    /// nothing if another revision is active by now.
    async fn withdraw(
        &self,
        tenant: Arc<Tenant>,
        domain: &DomainName,
        bad: Revision,
        cause: String,
    ) -> Result<Option<Deployed>, DeployError> {
        let _turn = self.parts.turns.take(&tenant.name, domain).await;
        if tenant.domain(domain).is_none_or(|domain| domain.active().revision != bad) {
            return Ok(None);
        }
        let target = self.target_of(&tenant, domain, None)?;
        let component = self.restored(target).await?;
        // The states that the bad revision computed need not be preserved, but the events that it recorded must be
        // readable.
        let check = CheckOptions { actor: Some("polder".into()), accept_changes: true, ..CheckOptions::default() };
        let why = Why::RolledBack { cause, is_withdrawn: true };
        self.take_over(Takeover { tenant, component, why, check }).await.map(Some)
    }

    /// Quarantines an active revision that has no predecessor. It stays active but takes no commands, even after a
    /// restart.
    async fn quarantine_active(
        &self,
        tenant: &Tenant,
        domain: &DomainName,
        revision: Revision,
        cause: String,
    ) -> Result<(), DeployError> {
        let _turn = self.parts.turns.take(&tenant.name, domain).await;
        if tenant.domain(domain).is_none_or(|domain| domain.active().revision != revision) {
            return Ok(());
        }
        let (tenant, domain) = (tenant.name.clone(), domain.clone());
        self.record_all(vec![DeploymentFact::RevisionQuarantined { tenant, domain, revision, cause }], None).await?;
        self.forget_snapshots();
        Ok(())
    }
}
