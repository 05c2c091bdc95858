//! What is asked of a host: states, histories, events, documents. Nothing here changes anything.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use polder_core::{
    AggregateId, AggregateName, DomainName, Event, Limits, Position, ProjectionName, Sequence, TenantName,
};
use tokio::sync::watch;

use super::{Host, Inner, blocking};
use crate::ReadError;
use crate::answers::*;
use crate::domain::{Active, Domain};
use crate::projections;
use crate::reads::{self, Asked};
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
                projections: inner.projections.info(&tenant.name, &domain.name).map_err(reads::storage)?,
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
        let (inner, tenant) = (Arc::clone(&self.inner), self.inner.find_history(tenant, domain, aggregate)?);
        let (domain, aggregate, id) = (domain.clone(), aggregate.clone(), id.clone());
        blocking(move || {
            let asked = Asked { tenant: &tenant, domain: &domain, aggregate: &aggregate, id: &id };
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
            let reader = inner.projections.reader(&tenant).map_err(reads::storage)?;
            let reader = reader.ok_or(ReadError::UnknownTenant(tenant))?;
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
            let reader = inner.projections.reader(&tenant).map_err(reads::storage)?;
            let reader = reader.ok_or(ReadError::UnknownTenant(tenant))?;
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
            let reader = inner.projections.reader(&tenant).map_err(reads::storage)?;
            let reader = reader.ok_or(ReadError::UnknownTenant(tenant))?;
            reader.effects(&domain, after, limit).map_err(reads::storage)
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
        blocking(move || inner.projections.position(&tenant, &domain, &projection)).await.map_err(reads::storage)
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
