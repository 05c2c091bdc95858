//! The only access of these tests to the engine's interface: it opens hosts in folders of their own, with short calls.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use polder_core::{
    AggregateId, AggregateName, Command, CommandAck, CommandId, CommandName, CommandStatus, DomainName, Event, Limits,
    Position, ProjectionName, Sequence, TenantName,
};
use polder_engine::{
    AsOf, CompilerInProcess, Compilers, DeployOptions, EventFilter, Host, HostOptions, MAIN_TENANT, ReadError,
    SubmitError, WaitFor,
};
use polder_journal::disk::FaultyDisk;
use polder_tests::guest_file;
use serde_json::Value;

/// The longest wait for a view, in milliseconds. It is far longer than needed, because a wait ends when the view is
/// there.
const WAIT_MS: u64 = 60_000;

/// A domain on a host, with one kind of aggregate.
pub(crate) struct Door {
    pub(crate) host: Host,
    domain: DomainName,
    aggregate: AggregateName,
}

pub(crate) fn tenant() -> TenantName {
    TenantName::new(MAIN_TENANT).unwrap()
}

pub(crate) fn options(folder: &Path) -> HostOptions {
    HostOptions { workers: 2, ..HostOptions::new(folder, Compilers::new(CompilerInProcess)) }
}

pub(crate) fn component(guest: &str) -> Bytes {
    std::fs::read(guest_file(guest)).expect("a guest can be read").into()
}

/// The same domain with another digest: a custom section that no program reads.
pub(crate) fn another_revision(component: &Bytes, mark: u8) -> Bytes {
    // Id 0, then the length of the rest: a name of one letter, and the mark.
    let section = [0, 3, 1, b'x', mark];
    [component, &section[..]].concat().into()
}

/// The same code with a text replaced by another of the same length.
pub(crate) fn patched(component: &Bytes, from: &str, to: &str) -> Bytes {
    assert_eq!(from.len(), to.len());
    let mut bytes = component.to_vec();
    let places: Vec<usize> =
        (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty(), "{from} is not in the component");
    places.iter().for_each(|at| bytes[*at..at + to.len()].copy_from_slice(to.as_bytes()));
    bytes.into()
}

impl Door {
    /// Opens a host in the folder, and deploys the guest whose name is also the name of its domain.
    pub(crate) async fn open(folder: &Path, guest: &str, aggregate: &str) -> Self {
        Self::with(Host::open(options(folder)).unwrap(), guest, aggregate).await
    }

    pub(crate) async fn open_with(folder: &Path, limits: Limits, guest: &str, aggregate: &str) -> Self {
        let options = HostOptions { limits, ..options(folder) };
        Self::with(Host::open(options).unwrap(), guest, aggregate).await
    }

    pub(crate) async fn open_on(disk: &FaultyDisk, folder: &Path, guest: &str, aggregate: &str) -> Self {
        Self::with(Host::open_on(Arc::new(disk.clone()), options(folder)).unwrap(), guest, aggregate).await
    }

    /// Access to a domain that exists or will exist.
    pub(crate) fn at(host: Host, domain: &str, aggregate: &str) -> Self {
        Self { host, domain: DomainName::new(domain).unwrap(), aggregate: AggregateName::new(aggregate).unwrap() }
    }

    async fn with(host: Host, guest: &str, aggregate: &str) -> Self {
        let door = Self::at(host, guest, aggregate);
        door.deploy(component(guest)).await;
        door
    }

    pub(crate) async fn orders(folder: &Path) -> Self {
        Self::open(folder, "orders", "order").await
    }

    pub(crate) async fn deploy(&self, component: Bytes) -> polder_engine::Deployed {
        let options = DeployOptions { domain: Some(self.domain.clone()), ..DeployOptions::default() };
        self.host.deployments().deploy(&tenant(), component.into(), options).await.unwrap()
    }

    pub(crate) fn command(&self, id: &str, name: &str, payload: &Value) -> Command {
        Command {
            tenant: tenant(),
            domain: self.domain.clone(),
            aggregate: self.aggregate.clone(),
            aggregate_id: AggregateId::new(id).unwrap(),
            name: CommandName::new(name).unwrap(),
            payload: payload.to_string().into(),
            id: None,
            expected_sequence: None,
            correlation_id: None,
            causation_id: None,
            actor: None,
            trail: polder_core::Trail::default(),
            retry_rejected: false,
        }
    }

    pub(crate) async fn send(&self, id: &str, name: &str, payload: Value) -> Result<CommandAck, SubmitError> {
        self.host.submit(self.command(id, name, &payload)).await
    }

    pub(crate) async fn send_as(
        &self,
        command_id: &str,
        id: &str,
        name: &str,
        payload: Value,
    ) -> Result<CommandAck, SubmitError> {
        let command = self.command(id, name, &payload);
        self.host.submit(Command { id: Some(CommandId::new(command_id).unwrap()), ..command }).await
    }

    /// Sends a command that must be accepted.
    #[track_caller]
    pub(crate) fn accept<'a>(
        &'a self,
        id: &'a str,
        name: &'a str,
        payload: Value,
    ) -> impl Future<Output = CommandAck> + 'a {
        let place = std::panic::Location::caller();
        async move {
            let ack = self.send(id, name, payload).await.unwrap_or_else(|error| panic!("{place}: {error}"));
            assert_eq!(ack.status, CommandStatus::Accepted, "{place}: {ack:?}");
            ack
        }
    }

    pub(crate) async fn history(&self, id: &str) -> Vec<Event> {
        let (tenant, id) = (tenant(), AggregateId::new(id).unwrap());
        let mut events = Vec::new();
        loop {
            let from = Sequence(events.len() as u64 + 1);
            let page = self
                .host
                .queries()
                .history(&tenant, &self.domain, &self.aggregate, &id, from, usize::MAX)
                .await
                .unwrap();
            if page.events.is_empty() {
                return events;
            }
            events.extend(page.events);
        }
    }

    pub(crate) async fn state(&self, id: &str, as_of: AsOf) -> Result<(u64, Value), ReadError> {
        let id = AggregateId::new(id).unwrap();
        let answer = self.host.queries().state(&tenant(), &self.domain, &self.aggregate, &id, as_of).await?;
        Ok((answer.sequence.0, serde_json::from_str(answer.state.get()).unwrap()))
    }

    /// Every event of the tenant.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let mut events = Vec::new();
        let mut after = Position::ZERO;
        loop {
            let page = self.host.queries().events(&tenant(), &EventFilter::default(), after, 1_000).await.unwrap();
            if page.next == after {
                return events;
            }
            events.extend(page.events);
            after = page.next;
        }
    }

    /// Every document of a projection, once it has reached `position`.
    pub(crate) async fn documents(&self, projection: &str, position: Position) -> Vec<(String, Value)> {
        let (projection, wait) = (ProjectionName::new(projection).unwrap(), WaitFor { position, timeout_ms: WAIT_MS });
        let query = polder_engine::DocumentQuery { limit: Some(10_000), ..Default::default() };
        let page = self.host.views().documents(&tenant(), &self.domain, &projection, &query, Some(wait)).await.unwrap();
        let parsed = |text: &str| serde_json::from_str(text).unwrap();
        page.documents.into_iter().map(|document| (document.key, parsed(document.document.get()))).collect()
    }

    pub(crate) fn position(&self) -> Position {
        *self.host.queries().positions(&tenant()).unwrap().borrow()
    }

    pub(crate) async fn projection(&self, name: &str) -> polder_engine::ProjectionInfo {
        let domains = self.host.deployments().domains(&tenant()).await.unwrap();
        let domain = domains.items.into_iter().find(|domain| domain.domain == self.domain).unwrap();
        domain.projections.into_iter().find(|projection| projection.projection.as_str() == name).unwrap()
    }

    /// Shuts the host down; the folder is free afterwards.
    pub(crate) async fn close(self) {
        self.host.shutdown().await;
    }
}
