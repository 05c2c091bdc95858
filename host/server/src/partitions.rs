//! The partitions of a host: one per journal, with the tenants whose history is in that journal.

use std::sync::Arc;

use futures::future::join_all;
use polder_core::{Command, CommandAck, JournalNumber, Journals, TenantName};
use polder_engine::{Host, HostOptions, SYSTEM_TENANT, SubmitError};
use polder_nats::ConnectOptions;
use polder_nats::journal::JournalOptions;

use crate::access::first_key::FirstKeyProof;
use crate::cluster::{self, ClusterHandle, ClusterThreads, JoinError, Joined, Servers, SharedJournal, not_ready};
use crate::wire::http_status;
use crate::wire::problem::Problem;

/// All partitions of a host. Clones share them.
#[derive(Clone)]
pub struct Partitions {
    journals: Journals,
    /// Indexed by journal number.
    partitions: Arc<[Arc<Partition>]>,
    /// This host's part in the cluster. `None`: no other host shares the journals.
    cluster: Option<ClusterHandle>,
    /// What the caller must present to add the first key, while the host has no keys.
    first_key: Option<FirstKeyProof>,
}

pub(crate) struct Partition {
    pub(crate) journal: JournalNumber,
    pub(crate) host: Host,
    /// The part of this host in the shared journal. `None`: no other host shares it.
    pub(crate) shared: Option<SharedJournal>,
}

impl Partition {
    /// Submits a command: it is under way when this returns. Refuses at once if the servers that keep the journal do
    /// not answer; the future resolves early with a refusal if they stop answering.
    pub(crate) fn submit(
        &self,
        command: Command,
    ) -> Result<impl Future<Output = Result<Result<CommandAck, SubmitError>, Problem>> + use<>, Problem> {
        let servers = self.shared.as_ref().map(|shared| shared.servers().clone());
        if let Some(problem) = servers.as_ref().and_then(Servers::problem) {
            return Err(not_ready(&problem));
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
}

/// Opens this machine's copies of the journals, serves them, and follows until journals can be owned. Blocks.
///
/// # Errors
/// See [`JoinError`].
pub fn join(
    connect: &ConnectOptions,
    journal: &JournalOptions,
    options: &HostOptions,
) -> Result<(Partitions, ClusterThreads), JoinError> {
    let Joined { journals, cluster, threads } = cluster::join(connect, journal, options)?;
    let partition = |(journal, host, shared)| Arc::new(Partition { journal, host, shared: Some(shared) });
    let partitions = journals.into_iter().map(partition).collect();
    Ok((Partitions { journals: journal.journals, partitions, cluster: Some(cluster), first_key: None }, threads))
}

impl Partitions {
    /// The partitions of a host with one journal in its own folder.
    pub fn alone(host: Host) -> Self {
        let partition = Partition { journal: JournalNumber::FIRST, host, shared: None };
        Self { journals: Journals::ONE, partitions: [Arc::new(partition)].into(), cluster: None, first_key: None }
    }

    /// Sets the proof that a caller must present to add the first key.
    #[must_use]
    pub fn with_first_key_proof(self, proof: FirstKeyProof) -> Self {
        Self { first_key: Some(proof), ..self }
    }

    pub(crate) fn first_key_proof(&self) -> Option<&FirstKeyProof> {
        self.first_key.as_ref()
    }

    /// The partition of the tenant. The system tenant belongs to the first one, which also has the access keys.
    pub(crate) fn of(&self, tenant: &TenantName) -> &Arc<Partition> {
        match self.is_one() || tenant.as_str() == SYSTEM_TENANT {
            true => self.first(),
            false => &self.partitions[self.journals.of(tenant).index()],
        }
    }

    pub(crate) fn first(&self) -> &Arc<Partition> {
        &self.partitions[JournalNumber::FIRST.index()]
    }

    pub(crate) fn all(&self) -> &[Arc<Partition>] {
        &self.partitions
    }

    pub(crate) fn is_one(&self) -> bool {
        self.journals == Journals::ONE
    }

    pub(crate) fn cluster(&self) -> Option<&ClusterHandle> {
        self.cluster.as_ref()
    }

    /// The engine host of the tenant.
    pub fn host(&self, tenant: &TenantName) -> &Host {
        &self.of(tenant).host
    }

    /// The engine host of the first partition, which has the host's own resources, such as access keys.
    pub fn first_host(&self) -> &Host {
        &self.first().host
    }

    /// Finishes the work under way in all partitions, and closes them, all at the same time: a partition whose end
    /// takes long delays no other.
    pub async fn shutdown(self) {
        join_all(self.partitions.iter().map(|partition| partition.host.clone().shutdown())).await;
    }
}
