//! The queries of a host: states, histories, events, documents. Nothing here changes any data.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use polder_core::{AggregateId, AggregateName, DomainName, Limits, Position, ProjectionName, Sequence, TenantName};
use tokio::sync::watch;

use super::{Host, Inner, blocking};
use crate::ReadError;
use crate::answers::*;
use crate::domain::{Active, Domain};
use crate::projections::{self, FoundDocument, Reached, ReadFailure, ViewsReader};
use crate::read::{self, Asked, Patience, ReadStop, ReadTurn, StateRead};
use crate::system::KINDS;
use crate::tenant::{Tenant, Unloadable};

/// How long a query without a position waits for a view that is being built for the first time, in milliseconds.
const FIRST_BUILD_WAIT_MS: u64 = 2_000;

impl Host {
    pub async fn domains(&self, tenant: &TenantName) -> Result<Vec<DomainInfo>, ReadError> {
        let (inner, tenant) = (Arc::clone(&self.inner), self.inner.tenant_to_read(tenant)?);
        let domains = tenant.domains();
        let info = move |domain: Arc<Domain>| {
            let active = domain.active();
            Ok(DomainInfo {
                domain: domain.name.clone(),
                revision: active.revision,
                descriptor: active.rules.descriptor().clone(),
                projections: inner.projections.info(&tenant.name, &domain.name).map_err(read::storage)?,
            })
        };
        blocking(move || domains.into_iter().map(info).collect()).await
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
        let (tenant, mut reading) = (found.tenant, StateRead::new(inner.reader.clone(), found.active, as_of));
        let (name, domain, aggregate, id) = (tenant.name.clone(), domain.clone(), aggregate.clone(), id.clone());
        let work = move |turn: &ReadTurn<'_>| {
            let asked = Asked { tenant: &tenant, domain: &domain, aggregate: &aggregate, id: &id };
            reading.turn(turn, &asked)
        };
        inner.reads.run(&name, Patience::Bounded, work).await
    }

    /// One aggregate's events from sequence `from` on: at most `limit`, and at most one page. An empty page means that
    /// there are no more.
    pub async fn history(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        aggregate: &AggregateName,
        id: &AggregateId,
        from: Sequence,
        limit: usize,
    ) -> Result<HistoryPage, ReadError> {
        self.history_page(tenant, (domain, aggregate, id), from, limit, Patience::Bounded).await
    }

    /// Like [`history`](Self::history), for a further page of an answer that has begun: it is not refused when too many
    /// reads are waiting.
    pub async fn further_history(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        aggregate: &AggregateName,
        id: &AggregateId,
        from: Sequence,
        limit: usize,
    ) -> Result<HistoryPage, ReadError> {
        self.history_page(tenant, (domain, aggregate, id), from, limit, Patience::Stream).await
    }

    async fn history_page(
        &self,
        tenant: &TenantName,
        (domain, aggregate, id): (&DomainName, &AggregateName, &AggregateId),
        from: Sequence,
        limit: usize,
        patience: Patience,
    ) -> Result<HistoryPage, ReadError> {
        let (reader, tenant) = (self.inner.reader.clone(), self.inner.find_history(tenant, domain, aggregate)?);
        let (name, domain, aggregate, id) = (tenant.name.clone(), domain.clone(), aggregate.clone(), id.clone());
        let is_first = patience == Patience::Bounded;
        let work = move |turn: &ReadTurn<'_>| {
            let asked = Asked { tenant: &tenant, domain: &domain, aggregate: &aggregate, id: &id };
            read::history(&reader, turn, &asked, from, limit, is_first)
        };
        self.inner.reads.run(&name, patience, work).await
    }

    /// The tenant's events after a position: at most `limit`, and at most one page. A page may be empty before the end
    /// of the history; the end is reached when `next` no longer advances.
    pub async fn events(
        &self,
        tenant: &TenantName,
        filter: &EventFilter,
        after: Position,
        limit: usize,
    ) -> Result<EventPage, ReadError> {
        let (tenant, work) = self.inner.event_page(tenant, filter, after, limit)?;
        self.inner.reads.run(&tenant, Patience::Bounded, work).await
    }

    /// Like [`events`](Self::events), for a further page of an answer that has begun: it is not refused when too many
    /// reads are waiting. `is_searching` means that the page before was empty. Such a search continues on the slow
    /// lane.
    pub async fn further_events(
        &self,
        tenant: &TenantName,
        filter: &EventFilter,
        after: Position,
        limit: usize,
        is_searching: bool,
    ) -> Result<EventPage, ReadError> {
        let (tenant, work) = self.inner.event_page(tenant, filter, after, limit)?;
        match is_searching {
            false => self.inner.reads.run(&tenant, Patience::Stream, work).await,
            true => self.inner.reads.run_slowly(&tenant, Patience::Stream, work).await,
        }
    }

    /// The tenant's newest durable position, as a watch channel. Readers that follow the history wait on it.
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
    ) -> Result<DocumentAnswer, ReadError> {
        self.inner.find_projection(tenant, domain, projection)?;
        let (own_domain, asked, wanted) = (domain.clone(), projection.clone(), key.to_owned());
        let ask = move |views: &ViewsReader, turn: &ReadTurn<'_>| views.document(&own_domain, &asked, &wanted, turn);
        let (reached, found) = self.ask_view(tenant, domain, projection, wait, ask).await?;
        let FoundDocument { document, set_aside, position } = found;
        // The checkpoint is only written together with documents; the feed may be further, past events that changed no
        // document.
        let position = position.max(reached);
        match document {
            Some(document) => Ok(DocumentAnswer { position, ..document }),
            None => {
                let (projection, key) = (projection.clone(), key.to_owned());
                Err(ReadError::NoSuchDocument { projection, key, position, set_aside })
            }
        }
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
        let (own_domain, asked, query) = (domain.clone(), projection.clone(), query.clone());
        let ask =
            move |views: &ViewsReader, turn: &ReadTurn<'_>| views.documents(&own_domain, &asked, &query, &schema, turn);
        let (reached, page) = self.ask_view(tenant, domain, projection, wait, ask).await?;
        Ok(DocumentPage { position: page.position.max(reached), ..page })
    }

    /// The effects that the domain's projections requested, after a cursor in their order.
    pub async fn effects(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        after: EffectCursor,
        limit: usize,
    ) -> Result<EffectPage, ReadError> {
        self.inner.find_domain(tenant, domain)?;
        let domain = domain.clone();
        let ask = move |views: &ViewsReader, turn: &ReadTurn<'_>| views.effects(&domain, after, limit, turn);
        self.ask(tenant, None, ask).await
    }

    /// Asks one view, once it has reached the position that the caller waits for. A view that turns out to be damaged
    /// is made anew: it is waited for once more.
    async fn ask_view<T: Send + 'static>(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
        wait: Option<WaitFor>,
        ask: impl Fn(&ViewsReader, &ReadTurn<'_>) -> Result<T, ReadFailure> + Clone + Send + 'static,
    ) -> Result<(Position, T), ReadError> {
        let reached = self.wait(tenant, domain, projection, wait).await?;
        match self.ask(tenant, Some(projection), ask.clone()).await {
            Err(ReadError::BeingBuilt { .. }) => {
                let reached = self.wait(tenant, domain, projection, wait).await?;
                Ok((reached, self.ask(tenant, Some(projection), ask).await?))
            }
            answer => Ok((reached, answer?)),
        }
    }

    /// Runs a query on the tenant's views, as one of the tenant's reads.
    async fn ask<T: Send + 'static>(
        &self,
        tenant: &TenantName,
        projection: Option<&ProjectionName>,
        ask: impl Fn(&ViewsReader, &ReadTurn<'_>) -> Result<T, ReadFailure> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (inner, name, projection) = (Arc::clone(&self.inner), tenant.clone(), projection.cloned());
        let work = move |turn: &ReadTurn<'_>| -> Result<T, ReadStop> {
            let reader = inner.projections.reader(&name).map_err(read::storage)?;
            let reader = reader.ok_or_else(|| ReadError::UnknownTenant(name.clone()))?;
            match (ask(&reader, turn), &projection) {
                (Ok(answer), _) => Ok(answer),
                (Err(ReadFailure::Stop(stop)), _) => Err(stop),
                (Err(ReadFailure::Sqlite(error)), _) => Err(read::storage(error).into()),
                (Err(ReadFailure::Damaged), Some(projection)) => {
                    // Opening the views again rebuilds them.
                    inner.projections.reader(&name).map_err(read::storage)?;
                    let newest = inner.tenant(&name).map_or(Position::ZERO, |tenant| *tenant.positions.borrow());
                    let projection = projection.clone();
                    Err(ReadError::BeingBuilt { projection, reached: Position::ZERO, newest }.into())
                }
                (Err(ReadFailure::Damaged), None) => {
                    Err(read::storage("the read models were damaged and are being rebuilt").into())
                }
            }
        };
        self.inner.reads.run(tenant, Patience::Bounded, work).await
    }

    pub fn domain_names(&self, tenant: &TenantName) -> Result<Vec<DomainName>, ReadError> {
        Ok(self.inner.tenant_to_read(tenant)?.domain_names())
    }

    pub fn limits(&self, tenant: &TenantName) -> Result<Limits, ReadError> {
        Ok(self.inner.tenant_to_read(tenant)?.limits())
    }

    /// The view's position as it advances; `None` when nothing feeds the view.
    async fn reached(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Result<Option<Reached>, ReadError> {
        if let Some(reached) = self.inner.projections.position_if_open(tenant, domain, projection) {
            return Ok(Some(reached));
        }
        let (inner, tenant) = (Arc::clone(&self.inner), tenant.clone());
        let (domain, projection) = (domain.clone(), projection.clone());
        blocking(move || inner.projections.position(&tenant, &domain, &projection)).await.map_err(read::storage)
    }

    /// Waits until the view has reached the wanted position and has been built, and returns its position.
    async fn wait(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
        wait: Option<WaitFor>,
    ) -> Result<Position, ReadError> {
        let asked = wait.map_or(Position::ZERO, |wait| wait.position);
        let timeout_ms = wait.map_or(FIRST_BUILD_WAIT_MS, |wait| wait.timeout_ms);
        let deadline = tokio::time::Instant::now() + Duration::from_millis(timeout_ms);
        loop {
            // The view is looked up in each round, because a rebuilt view may have replaced it.
            let Some(mut view) = self.reached(tenant, domain, projection).await? else {
                // Nothing feeds this view, so the position will not be reached.
                return match asked > Position::ZERO {
                    true => Err(ReadError::Behind { asked, reached: Position::ZERO, why: None }),
                    false => Ok(Position::ZERO),
                };
            };
            let reached = *view.positions.borrow_and_update();
            if reached >= asked && (asked > Position::ZERO || view.is_built()) {
                return Ok(reached);
            }
            self.inner.projections.hurry(tenant, domain, projection);
            if tokio::time::timeout_at(deadline, view.positions.changed()).await.is_err() {
                return Err(match asked > Position::ZERO {
                    true => ReadError::Behind { asked, reached, why: view.stalled() },
                    false => {
                        let newest = *self.inner.tenant_to_read(tenant)?.positions.borrow();
                        ReadError::BeingBuilt { projection: projection.clone(), reached, newest }
                    }
                });
            }
        }
    }
}

impl Inner {
    /// The tenant that owns the events, and the closure that reads a page of them.
    #[allow(clippy::type_complexity, reason = "a closure's type has no name that could be shorter")]
    fn event_page(
        &self,
        tenant: &TenantName,
        filter: &EventFilter,
        after: Position,
        limit: usize,
    ) -> Result<
        (TenantName, impl FnMut(&ReadTurn<'_>) -> Result<EventPage, ReadStop> + Send + 'static + use<>),
        ReadError,
    > {
        let tenant = self.tenant_to_read(tenant)?.name.clone();
        let (reader, filter, name) = (self.reader.clone(), filter.clone(), tenant.clone());
        Ok((tenant, move |turn: &ReadTurn<'_>| read::events(&reader, turn, &name, &filter, after, limit)))
    }

    pub(super) fn tenant_to_read(&self, name: &TenantName) -> Result<Arc<Tenant>, ReadError> {
        if *name == self.system.name {
            return Ok(Arc::clone(&self.system));
        }
        let tenant = self.tenant(name).ok_or_else(|| ReadError::UnknownTenant(name.clone()))?;
        match tenant.unavailable() {
            Some(_) => Err(ReadError::TenantUnavailable(name.clone())),
            None => Ok(tenant),
        }
    }

    /// The tenant whose history contains the aggregate's events.
    fn find_history(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        aggregate: &AggregateName,
    ) -> Result<Arc<Tenant>, ReadError> {
        if *tenant != self.system.name {
            return Ok(self.find(tenant, domain, aggregate)?.tenant);
        }
        let Some((_, known)) = KINDS.iter().find(|(known, _)| *known == domain.as_str()) else {
            let known = KINDS.iter().map(|(domain, _)| DomainName::new(domain).expect("a good name")).collect();
            return Err(ReadError::UnknownDomain { tenant: tenant.clone(), domain: domain.clone(), known });
        };
        if *known != aggregate.as_str() {
            let known = vec![AggregateName::new(known).expect("a good name")];
            return Err(ReadError::UnknownAggregate { domain: domain.clone(), aggregate: aggregate.clone(), known });
        }
        Ok(Arc::clone(&self.system))
    }

    fn find_domain(&self, tenant: &TenantName, domain: &DomainName) -> Result<Found, ReadError> {
        let tenant = self.tenant_to_read(tenant)?;
        if tenant.name == self.system.name {
            return Err(ReadError::SystemTenant);
        }
        let Some(found) = tenant.domain(domain) else {
            if let Some(Unloadable { revision, reason, .. }) = tenant.unloadable(domain) {
                return Err(ReadError::DomainUnavailable { domain: domain.clone(), revision, reason });
            }
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

    /// The schema of a projection's documents.
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
