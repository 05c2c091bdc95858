//! A host with two tenants: `main`, where hostile guests run, and a neighbour with the same domain, which must not be
//! affected.

use std::time::{Duration, Instant};

use bytes::Bytes;
use polder_core::{
    AggregateId, AggregateName, Command, CommandAck, CommandName, CommandStatus, DomainName, Limits, MemoryBudget,
    Position, ProjectionName, TenantName,
};
use polder_engine::{
    AsOf, DeployError, DeployOptions, DocumentQuery, Host, HostOptions, MAIN_TENANT, ReadError, SubmitError, Uploaded,
    WaitFor,
};
use tempfile::TempDir;

use super::guests::good;
use crate::engine::door::options;

pub(crate) const NEIGHBOUR: &str = "neighbour";
/// A hostile tenant is removed within this time.
const REMOVAL_MAX: Duration = Duration::from_secs(5);
/// A host with hostile tenants shuts down within this time.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);

pub(crate) struct Yard {
    pub(crate) host: Host,
    /// The number of the neighbour's commands so far.
    neighbours_turns: u64,
    pub(crate) folder: TempDir,
}

/// Little fuel, so that a loop ends soon; much time, so that the fuel ends it on every machine.
pub(crate) const LIMITS: Limits = Limits {
    fuel_per_call_max: 20_000_000,
    call_wall_ms_max: 600_000,
    memory_bytes_max: 32 * 1024 * 1024,
    ..Limits::DEFAULT
};

impl Yard {
    pub(crate) async fn open() -> Self {
        Self::with(LIMITS).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        Self::within(limits, MemoryBudget::unlimited()).await
    }

    pub(crate) async fn within(limits: Limits, memory: MemoryBudget) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = HostOptions { limits, memory, ..options(folder.path()) };
        let host = Host::open(options).unwrap();
        let mut yard = Self { host, neighbours_turns: 0, folder };
        yard.host
            .deployments()
            .deploy(&tenant(MAIN_TENANT), good("rogue").into(), DeployOptions::default())
            .await
            .unwrap();
        yard.add(NEIGHBOUR).await;
        yard.neighbour_goes_on().await;
        yard
    }

    pub(crate) async fn send(&self, id: &str, command: &str) -> Result<CommandAck, SubmitError> {
        self.send_as(MAIN_TENANT, id, command).await
    }

    /// Sends the only good command to a good aggregate of `main`.
    #[track_caller]
    pub(crate) fn good_call(&self, id: &str) -> impl Future<Output = CommandAck> {
        let sent = self.send(id, "do");
        async move {
            let acknowledgement = sent.await.unwrap();
            assert_eq!(acknowledgement.status, CommandStatus::Accepted);
            acknowledgement
        }
    }

    /// Sends a command that must end in a fault of the guest, and returns the reason.
    pub(crate) async fn fault(&self, id: &str, command: &str) -> String {
        match self.send(id, command).await {
            Err(SubmitError::GuestFault { domain, reason, .. }) if domain.as_str() == "rogue" => reason,
            other => panic!("{id} {command}: {other:?}"),
        }
    }

    /// The neighbour sends its usual command, and finds its data unchanged.
    pub(crate) async fn neighbour_goes_on(&mut self) {
        self.neighbours_turns += 1;
        let turns = self.neighbours_turns;
        let acknowledgement = self.send_as(NEIGHBOUR, "n-1", "do").await.unwrap();
        assert_eq!((acknowledgement.sequence.0, acknowledgement.position.0), (turns, turns));
        let state = self.state_as(NEIGHBOUR, "n-1").await.unwrap();
        assert_eq!(state, format!("{{\"done\":{turns}}}"));
    }

    pub(crate) async fn neighbours_state(&self) -> String {
        self.state_as(NEIGHBOUR, "n-1").await.unwrap()
    }

    pub(crate) async fn state(&self, id: &str) -> Result<String, ReadError> {
        self.state_as(MAIN_TENANT, id).await
    }

    /// Adds another tenant with the same domain.
    pub(crate) async fn add(&self, name: &str) {
        self.host.tenants().add(&tenant(name), None).await.unwrap();
        self.host.deployments().deploy(&tenant(name), good("rogue").into(), DeployOptions::default()).await.unwrap();
    }

    /// Removes a tenant. This must not take long, whatever the tenant's guests are doing.
    pub(crate) async fn remove_in_time(&self, name: &str) {
        let began = Instant::now();
        self.host.tenants().remove(&tenant(name), name, None).await.unwrap();
        assert!(began.elapsed() < REMOVAL_MAX, "the removal of {name} took {:?}", began.elapsed());
    }

    /// Shuts the host down. This must not take long, whatever the guests are doing.
    pub(crate) async fn shut_down_in_time(self) {
        let began = Instant::now();
        self.host.shutdown().await;
        assert!(began.elapsed() < SHUTDOWN_MAX, "the shutdown took {:?}", began.elapsed());
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = self.host.metrics();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("there is no {name} in\n{metrics}")).parse().unwrap()
    }

    /// Deploys to `main`, and returns the reason of the refusal.
    pub(crate) async fn refusal(&self, component: impl Into<Uploaded>) -> String {
        match self.host.deployments().deploy(&tenant(MAIN_TENANT), component.into(), DeployOptions::default()).await {
            Err(DeployError::Refused(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn state_as(&self, name: &str, id: &str) -> Result<String, ReadError> {
        let (domain, aggregate) = (DomainName::new("rogue").unwrap(), AggregateName::new("thing").unwrap());
        let id = AggregateId::new(id).unwrap();
        let answer = self.host.queries().state(&tenant(name), &domain, &aggregate, &id, AsOf::Now).await?;
        Ok(answer.state.get().to_owned())
    }

    /// The keys and bodies of a view, once it has reached the position.
    pub(crate) async fn documents(
        &self,
        name: &str,
        projection: &str,
        position: Position,
        timeout_ms: u64,
    ) -> Result<Vec<(String, String)>, ReadError> {
        let (domain, projection) = (DomainName::new("rogue").unwrap(), ProjectionName::new(projection).unwrap());
        let (query, wait) = (DocumentQuery::default(), Some(WaitFor { position, timeout_ms }));
        let page = self.host.views().documents(&tenant(name), &domain, &projection, &query, wait).await?;
        Ok(page.documents.into_iter().map(|document| (document.key, document.document.get().to_owned())).collect())
    }

    pub(crate) fn send_as(
        &self,
        name: &str,
        id: &str,
        command: &str,
    ) -> impl Future<Output = Result<CommandAck, SubmitError>> + use<> {
        let host = self.host.clone();
        let command = Command {
            tenant: tenant(name),
            domain: DomainName::new("rogue").unwrap(),
            aggregate: AggregateName::new("thing").unwrap(),
            aggregate_id: AggregateId::new(id).unwrap(),
            name: CommandName::new(command).unwrap(),
            payload: Bytes::from_static(b"{}"),
            id: None,
            expected_sequence: None,
            correlation_id: None,
            causation_id: None,
            actor: None,
            trail: polder_core::Trail::default(),
            retry_rejected: false,
        };
        async move { host.submit(command).await }
    }
}

pub(crate) fn tenant(name: &str) -> TenantName {
    TenantName::new(name).unwrap()
}
