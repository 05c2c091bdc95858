//! A part of the host for each journal, with the tenants whose history is in it.

use std::sync::Arc;

use polder_core::{Command, CommandAck, JournalNumber, Journals, TenantName};
use polder_engine::{Host, SYSTEM_TENANT, SubmitError};

use crate::cluster::{Cluster, Company, Servers};
use crate::first_key::FirstKeyProof;
use crate::kinds;
use crate::problem::Problem;

/// All that a host serves. Clones share it.
#[derive(Clone)]
pub struct Parts {
    journals: Journals,
    /// By number.
    parts: Arc<[Arc<Part>]>,
    /// Where other hosts have the journals in common with this one.
    company: Option<Company>,
    /// While the host has no keys: what the caller who brings the first one has to show.
    first_key: Option<FirstKeyProof>,
}

pub(crate) struct Part {
    pub(crate) journal: JournalNumber,
    pub(crate) host: Host,
    /// `None`: the journal is this host's alone.
    pub(crate) cluster: Option<Cluster>,
}

impl Part {
    /// Hands a command to the host: it is on its way when this returns. A caller waits no longer than the servers answer that keep the journal.
    pub(crate) fn submit(
        &self,
        command: Command,
    ) -> Result<impl Future<Output = Result<Result<CommandAck, SubmitError>, Problem>> + use<>, Problem> {
        let servers = self.cluster.as_ref().map(Cluster::servers);
        if let Some(problem) = servers.as_ref().and_then(Servers::stalled) {
            return Err(Problem::new(&kinds::NOT_READY, format!("nothing was done: {problem}")));
        }
        let pending = self.host.submit(command);
        Ok(async move {
            let Some(servers) = servers else { return Ok(pending.await) };
            servers.answered(pending).await.map_err(|problem| {
                let detail = format!(
                    "{problem}; the command may have been recorded: send it again, with the same Idempotency-Key"
                );
                Problem::new(&kinds::NOT_READY, detail)
            })
        })
    }

    pub(crate) fn new(journal: JournalNumber, host: Host, cluster: Option<Cluster>) -> Self {
        Self { journal, host, cluster }
    }
}

impl Parts {
    /// Of a host with its one journal in its own folder.
    pub fn alone(host: Host) -> Self {
        let part = Part::new(JournalNumber::FIRST, host, None);
        Self { journals: Journals::ONE, parts: [Arc::new(part)].into(), company: None, first_key: None }
    }

    pub(crate) fn joined(journals: Journals, parts: Vec<Part>, company: Company) -> Self {
        Self { journals, parts: parts.into_iter().map(Arc::new).collect(), company: Some(company), first_key: None }
    }

    /// A running host takes its first key only from a caller who shows this.
    #[must_use]
    pub fn with_first_key_proof(self, proof: FirstKeyProof) -> Self {
        Self { first_key: Some(proof), ..self }
    }

    pub(crate) fn first_key_proof(&self) -> Option<&FirstKeyProof> {
        self.first_key.as_ref()
    }

    /// The part that the tenant belongs to. The host's own history is that of its first part: it has the access keys.
    pub(crate) fn of(&self, tenant: &TenantName) -> &Arc<Part> {
        match self.is_one() || tenant.as_str() == SYSTEM_TENANT {
            true => self.first(),
            false => &self.parts[self.journals.of(tenant).index()],
        }
    }

    pub(crate) fn first(&self) -> &Arc<Part> {
        &self.parts[JournalNumber::FIRST.index()]
    }

    pub(crate) fn all(&self) -> &[Arc<Part>] {
        &self.parts
    }

    pub(crate) fn is_one(&self) -> bool {
        self.journals == Journals::ONE
    }

    pub(crate) fn company(&self) -> Option<&Company> {
        self.company.as_ref()
    }

    /// The one that has the tenant.
    pub fn host(&self, tenant: &TenantName) -> &Host {
        &self.of(tenant).host
    }

    /// The one that has what is the host's own, as access keys are.
    pub fn first_host(&self) -> &Host {
        &self.first().host
    }

    /// Finishes what is under way in all of them, and closes them.
    pub async fn shutdown(self) {
        for part in self.parts.iter() {
            part.host.clone().shutdown().await;
        }
    }
}
