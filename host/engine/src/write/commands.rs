//! A command's way into the pipeline: finds its tenant and its domain, checks what can be checked without running the
//! guest, and takes a place among the commands in flight.

use std::sync::Arc;

use polder_core::{Command, CommandAck, DomainName, Limits};
use polder_journal::{AggregateKey, Reader};
use tokio::sync::oneshot;

use super::job::{Job, Target};
use super::metrics::Metrics;
use super::write_path::WritePath;
use crate::read::ReadAdmission;
use crate::tenancy::{Active, SYSTEM_TENANT, SubmitError, Tenant, TenantDirectory, Unloadable};

/// Takes commands for all tenants of the host.
pub(crate) struct Commands {
    pub(super) directory: Arc<TenantDirectory>,
    pub(super) write_path: Arc<WritePath>,
    pub(super) reader: Reader,
    pub(super) reads: Arc<ReadAdmission>,
    pub(super) metrics: Arc<Metrics>,
}

/// A command that was refused, with the reason.
pub(super) struct Refused {
    pub(super) error: SubmitError,
    pub(super) command: Command,
}

impl Commands {
    pub(crate) fn new(
        directory: &Arc<TenantDirectory>,
        write_path: &Arc<WritePath>,
        reader: &Reader,
        reads: &Arc<ReadAdmission>,
        metrics: &Arc<Metrics>,
    ) -> Arc<Self> {
        Arc::new(Self {
            directory: Arc::clone(directory),
            write_path: Arc::clone(write_path),
            reader: reader.clone(),
            reads: Arc::clone(reads),
            metrics: Arc::clone(metrics),
        })
    }

    /// Decides a command. The future resolves once the decision is durable. The command is sent before this function
    /// returns, even if the future is never polled, so commands that one caller submits to one aggregate are decided in
    /// that order.
    pub(crate) fn submit(
        self: &Arc<Self>,
        command: Command,
    ) -> impl Future<Output = Result<CommandAck, SubmitError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let refused = self.dispatch(command, reply).err();
        let commands = Arc::clone(self);
        async move {
            if let Some(refused) = refused {
                return commands.answer_refused(refused).await;
            }
            // The reply channel closes without an answer when the worker had ended before it took the command, or
            // panicked during it.
            answer.await.unwrap_or_else(|_| match commands.write_path.is_open() {
                true => {
                    let reason = "the thread that had the command is gone".to_owned();
                    Err(SubmitError::OutcomeUnknown { command_id: None, reason })
                }
                false => Err(commands.write_path.refusal()),
            })
        }
    }

    fn dispatch(
        &self,
        command: Command,
        reply: oneshot::Sender<Result<CommandAck, SubmitError>>,
    ) -> Result<(), Box<Refused>> {
        let target = match self.target(&command) {
            Ok(target) => target,
            Err(error) => return Err(Box::new(Refused { error, command })),
        };
        match &*self.write_path.pipeline() {
            Some(pipeline) => {
                pipeline.submit(Job { command, target, reply });
                Ok(())
            }
            None => Err(Box::new(Refused { error: self.write_path.refusal(), command })),
        }
    }

    /// Finds the destination of a command and reserves a place for it.
    fn target(&self, command: &Command) -> Result<Target, SubmitError> {
        let tenant = self.directory.get(&command.tenant).ok_or_else(|| match command.tenant.as_str() {
            SYSTEM_TENANT => SubmitError::SystemTenant,
            _ => SubmitError::UnknownTenant(command.tenant.clone()),
        })?;
        if tenant.unavailable().is_some() {
            return Err(SubmitError::TenantUnavailable(tenant.name.clone()));
        }
        let domain = tenant.domain(&command.domain).ok_or_else(|| no_domain(&tenant, &command.domain))?;
        let terms = tenant.terms();
        let active = domain.active();
        check(command, &active, &terms.limits)?;
        active.health.admit().map_err(|closed| SubmitError::OutOfService {
            domain: domain.name.clone(),
            revision: active.revision,
            reason: closed.reason,
            retry_after_ms: closed.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1)),
        })?;
        let checked_by = active.revision;
        drop(active);
        let admission = tenant.admit(&terms)?;
        let key = AggregateKey::of(&command.tenant, &command.domain, &command.aggregate, &command.aggregate_id);
        let in_flight = domain.in_flight.begin();
        Ok(Target { domain, key, checked_by, admission, in_flight })
    }
}

fn no_domain(tenant: &Tenant, domain: &DomainName) -> SubmitError {
    let domain = domain.clone();
    match tenant.unloadable(&domain) {
        Some(Unloadable { revision, reason, .. }) => {
            SubmitError::OutOfService { domain, revision, reason, retry_after_ms: None }
        }
        None => SubmitError::UnknownDomain { tenant: tenant.name.clone(), domain, known: tenant.domain_names() },
    }
}

/// Checks of a command that do not depend on the aggregate's state.
fn check(command: &Command, active: &Active, limits: &Limits) -> Result<(), SubmitError> {
    active.check_names(command)?;
    let bytes = command.payload.len() as u64;
    if bytes > limits.command_bytes_max {
        return Err(SubmitError::TooLarge { bytes, bytes_max: limits.command_bytes_max });
    }
    // The guest parses the payload again. Payloads that no guest can parse are refused here.
    Ok(polder_core::check_json(&command.payload)?)
}
