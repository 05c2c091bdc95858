//! The host as its outer faces see it: finds tenant and domain, checks what can be checked before anyone works, hands on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use arc_swap::Guard;
use bytes::Bytes;
use polder_core::{
    AggregateId, AggregateName, Command, CommandAck, DomainName, Event, Limits, Position, ProjectionName, Revision,
    Sequence, TenantName,
};
use polder_journal::disk::Disk;
use polder_journal::{AggregateKey, EncodedRecord, Journal, OpenOptions, OpenReport, Reader, Statistics, Writer};
use polder_sandbox::{Component, Origin, Sandbox, SandboxOptions};
use tokio::sync::{oneshot, watch};

use crate::answers::*;
use crate::clock::Clock;
use crate::deployments::{Activation, Components, DeploymentStream, SYSTEM_TENANT};
use crate::domain::{Active, Domain};
use crate::guest_rules::GuestRules;
use crate::metrics::{Metrics, head, line};
use crate::pipeline::{Job, Pipeline, Target};
use crate::projections::{self, Projections};
use crate::reads::{self, Asked};
use crate::rules::Rules;
use crate::tenant::Tenant;
use crate::{DeployError, HostOptions, OpenError, ReadError, SubmitError};

/// The one tenant there is unless others are made.
pub const MAIN_TENANT: &str = "main";
/// What a caller is told to wait when its tenant has too many commands in flight, in milliseconds.
const BUSY_RETRY_AFTER_MS: u64 = 1_000;

/// One open data folder and the threads that serve it. Clones share it.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    tenants: BTreeMap<TenantName, Arc<Tenant>>,
    sandbox: Sandbox,
    components: Components,
    /// One deployment at a time.
    deployments: tokio::sync::Mutex<DeploymentStream>,
    reader: Reader,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    projections: Arc<Projections>,
    /// Gone once the host shuts down.
    pipeline: RwLock<Option<Pipeline>>,
    stopping: Mutex<()>,
}

impl Host {
    /// Opens the data folder, brings back what was deployed, and starts to serve.
    pub fn open(options: HostOptions) -> Result<Self, OpenError> {
        let folder = |source| OpenError::Folder { path: options.data_dir.clone(), source };
        std::fs::create_dir_all(&options.data_dir).map_err(folder)?;
        let opened = Journal::open(&options.data_dir, OpenOptions::default())?;
        Self::start(options, opened)
    }

    /// As [`open`](Self::open), with the journal on this disk instead of in the data folder: for tests whose disk fails.
    pub fn open_on(disk: Arc<dyn Disk>, options: HostOptions) -> Result<Self, OpenError> {
        let opened = Journal::open_on(disk, OpenOptions::default())?;
        Self::start(options, opened)
    }

    fn start(options: HostOptions, opened: (Writer, Reader, OpenReport)) -> Result<Self, OpenError> {
        let folder = |source| OpenError::Folder { path: options.data_dir.clone(), source };
        let (writer, reader, report) = opened;
        if let Some(torn) = &report.torn {
            tracing::warn!(?torn, "an unfinished last frame was cut off; nothing in it was acknowledged");
        }
        let sandbox = Sandbox::new(SandboxOptions::default()).map_err(|error| OpenError::Sandbox(error.to_string()))?;
        sandbox.self_check().map_err(|error| OpenError::Sandbox(error.to_string()))?;
        let components = Components::open(&options.data_dir).map_err(folder)?;
        let deployments = DeploymentStream::read(&reader)
            .map_err(|error| OpenError::History { what: "the deployments", problem: error.to_string() })?;

        let main = TenantName::new(MAIN_TENANT).expect("a good name");
        let main = Tenant::new(main.clone(), options.limits, reader.last_position(&main));
        let tenants = BTreeMap::from([(main.name.clone(), main)]);
        let projections = Arc::new(Projections::start(&options.data_dir, options.workers, &reader).map_err(folder)?);
        for tenant in tenants.keys() {
            let open = projections.open(tenant);
            open.map_err(|problem| OpenError::Views { tenant: tenant.clone(), problem })?;
        }
        let (clock, metrics) = (Arc::new(Clock::default()), Arc::new(Metrics::default()));
        let fed = Arc::clone(&projections);
        let grown = Box::new(move |tenant: &Tenant| fed.wake(&tenant.name));
        let pipeline = Pipeline::start(options.workers, writer, &reader, &clock, &metrics, grown).map_err(folder)?;

        let active: Vec<Activation> = deployments.active().collect();
        let host = Self {
            inner: Arc::new(Inner {
                tenants,
                sandbox,
                components,
                deployments: tokio::sync::Mutex::new(deployments),
                reader,
                clock,
                metrics,
                projections,
                pipeline: RwLock::new(Some(pipeline)),
                stopping: Mutex::default(),
            }),
        };
        for activation in active {
            host.inner.restore(activation)?;
        }
        Ok(host)
    }

    /// Answers once the decision is durable.
    pub async fn submit(&self, command: Command) -> Result<CommandAck, SubmitError> {
        let (reply, answer) = oneshot::channel();
        self.inner.dispatch(command, reply).inspect_err(|_| self.inner.metrics.refused())?;
        answer.await.unwrap_or(Err(SubmitError::ShuttingDown))
    }

    /// Checks, compiles, records and activates a component. `asked`: refuse unless it describes this domain.
    pub async fn deploy(
        &self,
        tenant: &TenantName,
        component: Bytes,
        asked: Option<&DomainName>,
        actor: Option<&str>,
    ) -> Result<Deployed, DeployError> {
        let tenant = self.inner.tenant(tenant).ok_or_else(|| DeployError::UnknownTenant(tenant.clone()))?;
        let loading = (Arc::clone(&self.inner), component.clone());
        let loaded = blocking(move || {
            let (inner, bytes) = loading;
            inner.components.load(&inner.sandbox, &bytes).map_err(|error| DeployError::Refused(error.to_string()))
        });
        let loaded = loaded.await?;
        let described = &loaded.descriptor.domain;
        if let Some(asked) = asked
            && asked != described
        {
            return Err(DeployError::OtherDomain { described: described.clone(), asked: asked.clone() });
        }
        let (inner, actor) = (Arc::clone(&self.inner), actor.map(str::to_owned));
        // On a task of its own: a caller that goes away must not leave an activation recorded and not taken in.
        let activating =
            tokio::spawn(async move { inner.activate(&tenant, loaded, component, actor.as_deref()).await });
        joined(activating.await)
    }

    /// A component's rules alone, for [`Host::attach`].
    pub fn load(&self, component: &[u8]) -> Result<Arc<dyn Rules>, DeployError> {
        let loaded = self.inner.components.load(&self.inner.sandbox, component);
        Ok(Arc::new(GuestRules(loaded.map_err(|error| DeployError::Refused(error.to_string()))?)))
    }

    /// Puts rules in place without recording it and without projections: for benchmarks of the write side alone, and for
    /// the native floor they compare with.
    pub fn attach(&self, tenant: &TenantName, rules: Arc<dyn Rules>) -> Result<(), DeployError> {
        let tenant = self.inner.tenant(tenant).ok_or_else(|| DeployError::UnknownTenant(tenant.clone()))?;
        put_in_place(&tenant, rules);
        Ok(())
    }

    pub async fn domains(&self, tenant: &TenantName) -> Result<Vec<DomainInfo>, ReadError> {
        let (inner, tenant) = (Arc::clone(&self.inner), self.inner.tenant_to_read(tenant)?);
        let domains = tenant.domains();
        let info = move |domain: Arc<Domain>| {
            let active = domain.active();
            DomainInfo {
                domain: domain.name.clone(),
                revision: active.revision,
                descriptor: active.rules.descriptor().clone(),
                projections: inner.projections.info(&tenant.name, &domain.name),
            }
        };
        Ok(blocking(move || domains.into_iter().map(info).collect()).await)
    }

    pub async fn state(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        aggregate: &AggregateName,
        id: &AggregateId,
        as_of: AsOf,
    ) -> Result<StateAnswer, ReadError> {
        let (inner, found) = (Arc::clone(&self.inner), self.inner.find(tenant, domain, aggregate)?);
        let (domain, aggregate, id) = (domain.clone(), aggregate.clone(), id.clone());
        blocking(move || {
            let asked = Asked { tenant: &found.tenant, domain: &domain, aggregate: &aggregate, id: &id };
            reads::state(&inner.reader, &found.active, &asked, as_of)
        })
        .await
    }

    /// One aggregate's events from sequence `from` on, at most `limit`.
    pub async fn history(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        aggregate: &AggregateName,
        id: &AggregateId,
        from: Sequence,
        limit: usize,
    ) -> Result<Vec<Event>, ReadError> {
        let (inner, found) = (Arc::clone(&self.inner), self.inner.find(tenant, domain, aggregate)?);
        let (domain, aggregate, id) = (domain.clone(), aggregate.clone(), id.clone());
        blocking(move || {
            let asked = Asked { tenant: &found.tenant, domain: &domain, aggregate: &aggregate, id: &id };
            reads::history(&inner.reader, &asked, from, limit)
        })
        .await
    }

    /// The tenant's events after a position, at most `limit`. A page may be empty before the end; the end is reached when
    /// `next` no longer moves.
    pub async fn events(
        &self,
        tenant: &TenantName,
        filter: &EventFilter,
        after: Position,
        limit: usize,
    ) -> Result<EventPage, ReadError> {
        let tenant = self.inner.tenant_to_read(tenant)?;
        let (inner, filter) = (Arc::clone(&self.inner), filter.clone());
        blocking(move || reads::events(&inner.reader, &tenant.name, &filter, after, limit)).await
    }

    /// The tenant's newest durable position, as it moves. What a reader that follows waits on.
    pub fn positions(&self, tenant: &TenantName) -> Result<watch::Receiver<Position>, ReadError> {
        Ok(self.inner.tenant_to_read(tenant)?.positions.subscribe())
    }

    pub async fn document(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
        key: &str,
        wait: Option<WaitFor>,
    ) -> Result<Document, ReadError> {
        self.inner.find_projection(tenant, domain, projection)?;
        self.wait(tenant, domain, projection, wait).await?;
        let (inner, tenant) = (Arc::clone(&self.inner), tenant.clone());
        let (domain, projection, key) = (domain.clone(), projection.clone(), key.to_owned());
        blocking(move || {
            let reader = inner.projections.reader(&tenant).ok_or(ReadError::UnknownTenant(tenant))?;
            let document = reader.document(&domain, &projection, &key).map_err(reads::storage)?;
            document.ok_or(ReadError::NoSuchDocument { projection, key })
        })
        .await
    }

    pub async fn documents(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
        query: &DocumentQuery,
        wait: Option<WaitFor>,
    ) -> Result<DocumentPage, ReadError> {
        let schema = self.inner.find_projection(tenant, domain, projection)?;
        projections::check(query, &schema).map_err(ReadError::BadQuery)?;
        let reached = self.wait(tenant, domain, projection, wait).await?;
        let (inner, tenant, query) = (Arc::clone(&self.inner), tenant.clone(), query.clone());
        let (domain, projection) = (domain.clone(), projection.clone());
        blocking(move || {
            let reader = inner.projections.reader(&tenant).ok_or(ReadError::UnknownTenant(tenant))?;
            let mut page = reader.documents(&domain, &projection, &query).map_err(reads::storage)?;
            // The checkpoint is written with documents only; the feed may have seen more that concerned none.
            page.position = page.position.max(reached);
            Ok(page)
        })
        .await
    }

    /// What the domain's projections asked for, after a number.
    pub async fn effects(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        after: u64,
        limit: usize,
    ) -> Result<EffectPage, ReadError> {
        self.inner.find_domain(tenant, domain)?;
        let (inner, tenant, domain) = (Arc::clone(&self.inner), tenant.clone(), domain.clone());
        blocking(move || {
            let reader = inner.projections.reader(&tenant).ok_or(ReadError::UnknownTenant(tenant))?;
            reader.effects(&domain, after, limit).map_err(reads::storage)
        })
        .await
    }

    pub fn limits(&self, tenant: &TenantName) -> Result<Limits, ReadError> {
        Ok(self.inner.tenant_to_read(tenant)?.limits)
    }

    pub fn health(&self) -> Health {
        let reason = match self.inner.pipeline.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(pipeline) => pipeline.halted().map(str::to_owned),
            None => Some(SubmitError::ShuttingDown.to_string()),
        };
        Health { writable: reason.is_none(), reason }
    }

    /// In Prometheus's text format.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let inner = &self.inner;
        inner.metrics.write(&mut text, &inner.reader.statistics(), self.health().writable);
        head(&mut text, "polder_projection_lag_events", "gauge", "Events a view has not folded in yet.");
        for tenant in inner.tenants.values() {
            let newest = tenant.positions.borrow().0;
            for domain in tenant.domains() {
                for view in inner.projections.info(&tenant.name, &domain.name) {
                    let labels = format!(
                        "tenant=\"{}\",domain=\"{}\",projection=\"{}\"",
                        tenant.name, domain.name, view.projection
                    );
                    let lag = newest.saturating_sub(view.position.0);
                    line(&mut text, &format!("polder_projection_lag_events{{{labels}}}"), lag);
                }
            }
        }
        text
    }

    pub fn journal_statistics(&self) -> Statistics {
        self.inner.reader.statistics()
    }

    /// Finishes what is under way, closes the journal cleanly, ends the threads.
    pub async fn shutdown(self) {
        let inner = self.inner;
        blocking(move || inner.stop()).await;
    }

    /// How far the view is, once it is as far as asked.
    async fn wait(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
        wait: Option<WaitFor>,
    ) -> Result<Position, ReadError> {
        let deadline = wait.map(|wait| tokio::time::Instant::now() + Duration::from_millis(wait.timeout_ms));
        loop {
            // Asked for anew each time: a rebuilt view may have taken the place of the one that was waited for.
            let Some(mut positions) = self.inner.projections.position(tenant, domain, projection) else {
                // Nothing moves it: what is asked for will not come.
                return match wait.map(|wait| wait.position).filter(|asked| *asked > Position::ZERO) {
                    Some(asked) => Err(ReadError::Behind { asked, reached: Position::ZERO }),
                    None => Ok(Position::ZERO),
                };
            };
            let reached = *positions.borrow_and_update();
            let (Some(wait), Some(deadline)) = (wait, deadline) else { return Ok(reached) };
            if reached >= wait.position {
                return Ok(reached);
            }
            if tokio::time::timeout_at(deadline, positions.changed()).await.is_err() {
                return Err(ReadError::Behind { asked: wait.position, reached });
            }
        }
    }
}

impl Inner {
    fn dispatch(
        &self,
        command: Command,
        reply: oneshot::Sender<Result<CommandAck, SubmitError>>,
    ) -> Result<(), SubmitError> {
        let tenant = self.tenant(&command.tenant).ok_or_else(|| SubmitError::UnknownTenant(command.tenant.clone()))?;
        let domain = tenant.domain(&command.domain).ok_or_else(|| SubmitError::UnknownDomain {
            tenant: tenant.name.clone(),
            domain: command.domain.clone(),
            known: tenant.domain_names(),
        })?;
        check(&command, &domain, &tenant.limits)?;
        let admission = tenant.admit().ok_or_else(|| SubmitError::Busy {
            tenant: tenant.name.clone(),
            in_flight_max: tenant.limits.commands_in_flight_max,
            retry_after_ms: BUSY_RETRY_AFTER_MS,
        })?;
        let key = AggregateKey::of(&command.tenant, &command.domain, &command.aggregate, &command.aggregate_id);
        let pipeline = self.pipeline.read().unwrap_or_else(PoisonError::into_inner);
        let pipeline = pipeline.as_ref().ok_or(SubmitError::ShuttingDown)?;
        pipeline.submit(Job { command, target: Target { domain, key, admission }, reply });
        Ok(())
    }

    /// Records the activation, then puts it in place.
    async fn activate(
        self: &Arc<Self>,
        tenant: &Arc<Tenant>,
        component: Arc<Component>,
        bytes: Bytes,
        actor: Option<&str>,
    ) -> Result<Deployed, DeployError> {
        let mut stream = self.deployments.lock().await;
        let (domain, revision) = (component.descriptor.domain.clone(), component.revision);
        let previous = tenant.domain(&domain).map(|domain| domain.active().revision);
        let checks = checks_of(&component);
        if previous == Some(revision) {
            return Ok(Deployed { status: DeployStatus::AlreadyActive, domain, revision, previous, checks });
        }
        let storing = Arc::clone(self);
        let stored = blocking(move || storing.components.store(revision, &bytes)).await;
        stored.map_err(|error| DeployError::Storage(error.to_string()))?;

        let activation = Activation { tenant: tenant.name.clone(), domain: domain.clone(), revision };
        let proposal = stream.propose(activation, self.clock.now(), actor);
        let (appending, record) = (Arc::clone(self), proposal.record);
        let appended = blocking(move || appending.append(record)).await;
        appended.map_err(|error| DeployError::ReadOnly(error.to_string()))?;
        stream.accept(proposal.activation, proposal.sequence, proposal.head);

        let (inner, tenant) = (Arc::clone(self), Arc::clone(tenant));
        blocking(move || inner.put_in_place(&tenant, &component)).await.map_err(DeployError::Storage)?;
        Ok(Deployed { status: DeployStatus::Activated, domain, revision, previous, checks })
    }

    fn append(&self, record: EncodedRecord) -> Result<Position, SubmitError> {
        let pipeline = self.pipeline.read().unwrap_or_else(PoisonError::into_inner);
        pipeline.as_ref().ok_or(SubmitError::ShuttingDown)?.append(record)
    }

    /// At start: what was active is active again.
    fn restore(&self, activation: Activation) -> Result<(), OpenError> {
        let Activation { tenant, domain, revision } = activation;
        let failed =
            |problem: String| OpenError::Revision { tenant: tenant.clone(), domain: domain.clone(), revision, problem };
        let owner = self.tenant(&tenant).ok_or_else(|| failed("its tenant is not known here".into()))?;
        let component = self.components.restore(&self.sandbox, revision).map_err(|error| failed(error.to_string()))?;
        self.put_in_place(&owner, &component).map_err(failed)
    }

    fn put_in_place(&self, tenant: &Arc<Tenant>, component: &Arc<Component>) -> Result<(), String> {
        put_in_place(tenant, Arc::new(GuestRules(Arc::clone(component))));
        let restore = |revision: Revision| match self.components.restore(&self.sandbox, revision) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(%revision, %error, "an old revision cannot be loaded; its views stand still until they are rebuilt");
                None
            }
        };
        self.projections.activate(tenant, component, &restore).map_err(|error| error.to_string())
    }

    fn stop(&self) {
        let _one_at_a_time = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let pipeline = self.pipeline.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(pipeline) = pipeline {
            self.projections.stop();
            pipeline.stop();
        }
    }

    fn tenant(&self, name: &TenantName) -> Option<Arc<Tenant>> {
        debug_assert!(!self.tenants.contains_key(SYSTEM_TENANT), "the host's own history is nobody's tenant");
        self.tenants.get(name).cloned()
    }

    fn tenant_to_read(&self, name: &TenantName) -> Result<Arc<Tenant>, ReadError> {
        self.tenant(name).ok_or_else(|| ReadError::UnknownTenant(name.clone()))
    }

    fn find_domain(&self, tenant: &TenantName, domain: &DomainName) -> Result<Found, ReadError> {
        let tenant = self.tenant_to_read(tenant)?;
        let Some(found) = tenant.domain(domain) else {
            let (name, known) = (tenant.name.clone(), tenant.domain_names());
            return Err(ReadError::UnknownDomain { tenant: name, domain: domain.clone(), known });
        };
        Ok(Found { active: Guard::into_inner(found.active()), tenant })
    }

    fn find(&self, tenant: &TenantName, domain: &DomainName, aggregate: &AggregateName) -> Result<Found, ReadError> {
        let found = self.find_domain(tenant, domain)?;
        let known = &found.active.rules.descriptor().aggregates;
        if !known.contains_key(aggregate) {
            let known = known.keys().cloned().collect();
            return Err(ReadError::UnknownAggregate { domain: domain.clone(), aggregate: aggregate.clone(), known });
        }
        Ok(found)
    }

    /// The schema of its documents.
    fn find_projection(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Result<serde_json::Value, ReadError> {
        let found = self.find_domain(tenant, domain)?;
        let known = &found.active.rules.descriptor().projections;
        match known.get(projection) {
            Some(descriptor) => Ok(descriptor.schema.clone()),
            None => {
                let known = known.keys().cloned().collect();
                Err(ReadError::UnknownProjection { domain: domain.clone(), projection: projection.clone(), known })
            }
        }
    }
}

struct Found {
    tenant: Arc<Tenant>,
    active: Arc<Active>,
}

/// What is wrong with a command whatever the aggregate's state is.
fn check(command: &Command, domain: &Domain, limits: &Limits) -> Result<(), SubmitError> {
    let active = domain.active();
    let aggregates = &active.rules.descriptor().aggregates;
    let Some(aggregate) = aggregates.get(&command.aggregate) else {
        let known = aggregates.keys().cloned().collect();
        let (domain, aggregate) = (command.domain.clone(), command.aggregate.clone());
        return Err(SubmitError::UnknownAggregate { domain, aggregate, known });
    };
    if !aggregate.commands.contains_key(&command.name) {
        let known = aggregate.commands.keys().cloned().collect();
        let (aggregate, command) = (command.aggregate.clone(), command.name.clone());
        return Err(SubmitError::UnknownCommand { aggregate, command, known });
    }
    let bytes = command.payload.len() as u64;
    if bytes > limits.command_bytes_max {
        return Err(SubmitError::TooLarge { bytes, bytes_max: limits.command_bytes_max });
    }
    // The guest reads it again; but what is not JSON at all is not the domain's to judge. What is passed over is not looked
    // at for UTF-8, so that comes first.
    let text = str::from_utf8(&command.payload).map_err(|error| SubmitError::NotJson(error.to_string()))?;
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(SubmitError::NotJson(error.to_string())),
    }
}

/// What the sandbox made sure of before the component was let in.
fn checks_of(component: &Component) -> Vec<String> {
    let descriptor = &component.descriptor;
    let code = match &component.origin {
        Origin::Compiled => "compiled".to_owned(),
        Origin::CompiledUncached(problem) => format!("compiled, not kept for the next start: {problem}"),
        Origin::Cached => "compiled before".to_owned(),
    };
    vec![
        "imports nothing but polder:domain/diagnostics".to_owned(),
        "exports the world polder:domain/domain".to_owned(),
        format!(
            "describes {} and {}",
            counted(descriptor.aggregates.len(), "aggregate"),
            counted(descriptor.projections.len(), "projection")
        ),
        code,
    ]
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn put_in_place(tenant: &Tenant, rules: Arc<dyn Rules>) {
    let name = rules.descriptor().domain.clone();
    let active = Active::new(&tenant.name, rules);
    match tenant.domain(&name) {
        Some(domain) => domain.activate(active),
        None => tenant.insert(Domain::new(name, active)),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work).await)
}

/// A panic goes on where it was waited for.
fn joined<T>(ended: Result<T, tokio::task::JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
