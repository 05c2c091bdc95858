//! What is asked of a host: states, histories, events, documents. Nothing here changes anything.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use polder_core::{AggregateId, AggregateName, DomainName, Limits, Position, ProjectionName, Sequence, TenantName};
use tokio::sync::watch;

use super::{Host, Inner, blocking};
use crate::ReadError;
use crate::answers::*;
use crate::domain::{Active, Domain};
use crate::projections;
use crate::read::{self, Asked, Patience, ReadStop, ReadTurn, StateRead};
use crate::system::KINDS;
use crate::tenant::Tenant;

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

    /// One aggregate's events from sequence `from` on, at most `limit`, and no more than a page holds. There are no more when a page
    /// is empty.
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

    /// As [`history`](Self::history), for a further page of an answer that has begun: it is not refused when there are many reads.
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

    /// The tenant's events after a position, at most `limit`, and no more than a page holds. A page may be empty before the end; the
    /// end is reached when `next` no longer moves.
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

    /// As [`events`](Self::events), for a further page of an answer that has begun: it is not refused when there are many reads.
    /// `is_searching`: the page before was empty. The search goes on where the machine has time left.
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
            let reader = inner.projections.reader(&tenant).map_err(read::storage)?;
            let reader = reader.ok_or(ReadError::UnknownTenant(tenant))?;
            let document = reader.document(&domain, &projection, &key).map_err(read::storage)?;
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
            let reader = inner.projections.reader(&tenant).map_err(read::storage)?;
            let reader = reader.ok_or(ReadError::UnknownTenant(tenant))?;
            let mut page = reader.documents(&domain, &projection, &query).map_err(read::storage)?;
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
            let reader = inner.projections.reader(&tenant).map_err(read::storage)?;
            let reader = reader.ok_or(ReadError::UnknownTenant(tenant))?;
            reader.effects(&domain, after, limit).map_err(read::storage)
        })
        .await
    }

    pub fn limits(&self, tenant: &TenantName) -> Result<Limits, ReadError> {
        Ok(self.inner.tenant_to_read(tenant)?.limits())
    }

    /// As it moves; `None` when nothing moves it.
    async fn position(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Result<Option<watch::Receiver<Position>>, ReadError> {
        if let Some(position) = self.inner.projections.position_if_open(tenant, domain, projection) {
            return Ok(Some(position));
        }
        let (inner, tenant) = (Arc::clone(&self.inner), tenant.clone());
        let (domain, projection) = (domain.clone(), projection.clone());
        blocking(move || inner.projections.position(&tenant, &domain, &projection)).await.map_err(read::storage)
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
            let Some(mut positions) = self.position(tenant, domain, projection).await? else {
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
            self.inner.projections.hurry(tenant, domain, projection);
            if tokio::time::timeout_at(deadline, positions.changed()).await.is_err() {
                return Err(ReadError::Behind { asked: wait.position, reached });
            }
        }
    }
}

impl Inner {
    /// Whose events they are, and the work of reading a page of them.
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
        self.tenant(name).ok_or_else(|| ReadError::UnknownTenant(name.clone()))
    }

    /// Whose history an aggregate's events are in.
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
