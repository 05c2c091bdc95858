//! The parts of a host: one per journal, with the tenants whose history is in that journal.

use std::sync::Arc;

use polder_core::{Command, CommandAck, JournalNumber, Journals, TenantName};
use polder_engine::{Host, SYSTEM_TENANT, SubmitError};

use crate::access::first_key::FirstKeyProof;
use crate::cluster::{Cluster, ClusterHandle, Servers};
use crate::wire::http_status;
use crate::wire::problem::Problem;

/// All parts of a host. Clones share them.
#[derive(Clone)]
pub struct Partitions {
    journals: Journals,
    /// The parts, indexed by journal number.
    parts: Arc<[Arc<Partition>]>,
    /// The other hosts that share the journals, if there are any.
    company: Option<ClusterHandle>,
    /// What the caller must present to add the first key, while the host has no keys.
    first_key: Option<FirstKeyProof>,
}

pub(crate) struct Partition {
    pub(crate) journal: JournalNumber,
    pub(crate) host: Host,
    /// `None`: no other host shares the journal.
    pub(crate) cluster: Option<Cluster>,
}

impl Partition {
    /// Submits a command: it is under way when this returns. Refuses at once if the servers that keep the journal do
    /// not answer; the future resolves early with a refusal if they stop answering.
    pub(crate) fn submit(
        &self,
        command: Command,
    ) -> Result<impl Future<Output = Result<Result<CommandAck, SubmitError>, Problem>> + use<>, Problem> {
        let servers = self.cluster.as_ref().map(|cluster| cluster.servers().clone());
        if let Some(problem) = servers.as_ref().and_then(Servers::problem) {
            return Err(Problem::new(&http_status::NOT_READY, format!("nothing was done: {problem}")));
        }
        let pending = self.host.submit(command);
        Ok(async move {
            let Some(servers) = servers else { return Ok(pending.await) };
            servers.answered(pending).await.map_err(|problem| {
                let detail = format!(
                    "{problem}; the command may have been recorded: send it again, with the same Idempotency-Key"
                );
                Problem::new(&http_status::OUTCOME_UNKNOWN, detail)
            })
        })
    }

    pub(crate) fn new(journal: JournalNumber, host: Host, cluster: Option<Cluster>) -> Self {
        Self { journal, host, cluster }
    }
}

impl Partitions {
    /// The parts of a host with one journal in its own folder.
    pub fn alone(host: Host) -> Self {
        let part = Partition::new(JournalNumber::FIRST, host, None);
        Self { journals: Journals::ONE, parts: [Arc::new(part)].into(), company: None, first_key: None }
    }

    pub(crate) fn joined(journals: Journals, parts: Vec<Partition>, company: ClusterHandle) -> Self {
        Self { journals, parts: parts.into_iter().map(Arc::new).collect(), company: Some(company), first_key: None }
    }

    /// Sets the proof that a caller must present to add the first key.
    #[must_use]
    pub fn with_first_key_proof(self, proof: FirstKeyProof) -> Self {
        Self { first_key: Some(proof), ..self }
    }

    pub(crate) fn first_key_proof(&self) -> Option<&FirstKeyProof> {
        self.first_key.as_ref()
    }

    /// The part of the tenant. The system tenant belongs to the first part, which also has the access keys.
    pub(crate) fn of(&self, tenant: &TenantName) -> &Arc<Partition> {
        match self.is_one() || tenant.as_str() == SYSTEM_TENANT {
            true => self.first(),
            false => &self.parts[self.journals.of(tenant).index()],
        }
    }

    pub(crate) fn first(&self) -> &Arc<Partition> {
        &self.parts[JournalNumber::FIRST.index()]
    }

    pub(crate) fn all(&self) -> &[Arc<Partition>] {
        &self.parts
    }

    pub(crate) fn is_one(&self) -> bool {
        self.journals == Journals::ONE
    }

    pub(crate) fn company(&self) -> Option<&ClusterHandle> {
        self.company.as_ref()
    }

    /// The engine host of the tenant.
    pub fn host(&self, tenant: &TenantName) -> &Host {
        &self.of(tenant).host
    }

    /// The engine host of the first part, which has the host's own resources, such as access keys.
    pub fn first_host(&self) -> &Host {
        &self.first().host
    }

    /// Finishes the work under way in all parts, and closes them.
    pub async fn shutdown(self) {
        for part in self.parts.iter() {
            part.host.clone().shutdown().await;
        }
    }
}
