//! Queries of views: documents and effects. A query may wait until the view has reached a position.

use std::sync::Arc;
use std::time::Duration;

use polder_core::{DomainName, Position, ProjectionName, TenantName};

use super::answers::{DocumentAnswer, DocumentPage, DocumentQuery, EffectCursor, EffectPage, WaitFor};
use super::open_views::Reached;
use super::projections::Projections;
use super::query::{FoundDocument, ReadFailure, check};
use super::views_reader::ViewsReader;
use crate::read::{
    Patience, Queries, ReadAdmission, ReadError, ReadStop, ReadTurn, find_domain, storage, tenant_to_read,
};
use crate::tenancy::TenantDirectory;

/// How long a query without a position waits for a view that is being built for the first time, in milliseconds.
const FIRST_BUILD_WAIT_MS: u64 = 2_000;

/// Answers queries of views, each as one of its tenant's reads.
#[derive(Clone)]
pub struct ViewQueries {
    pub(super) directory: Arc<TenantDirectory>,
    pub(super) projections: Arc<Projections>,
    pub(super) reads: Arc<ReadAdmission>,
    pub(super) queries: Queries,
}

impl ViewQueries {
    pub(crate) fn new(
        directory: &Arc<TenantDirectory>,
        projections: &Arc<Projections>,
        reads: &Arc<ReadAdmission>,
        queries: &Queries,
    ) -> Self {
        Self {
            directory: Arc::clone(directory),
            projections: Arc::clone(projections),
            reads: Arc::clone(reads),
            queries: queries.clone(),
        }
    }

    pub async fn document(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
        key: &str,
        wait: Option<WaitFor>,
    ) -> Result<DocumentAnswer, ReadError> {
        self.find_projection(tenant, domain, projection)?;
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
        let schema = self.find_projection(tenant, domain, projection)?;
        check(query, &schema).map_err(ReadError::BadQuery)?;
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
        find_domain(&self.directory, tenant, domain)?;
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
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        tenant: &TenantName,
        projection: Option<&ProjectionName>,
        ask: impl Fn(&ViewsReader, &ReadTurn<'_>) -> Result<T, ReadFailure> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (directory, projections) = (Arc::clone(&self.directory), Arc::clone(&self.projections));
        let (name, projection) = (tenant.clone(), projection.cloned());
        let work = move |turn: &ReadTurn<'_>| -> Result<T, ReadStop> {
            let reader = projections.reader(&name).map_err(storage)?;
            let reader = reader.ok_or_else(|| ReadError::UnknownTenant(name.clone()))?;
            match (ask(&reader, turn), &projection) {
                (Ok(answer), _) => Ok(answer),
                (Err(ReadFailure::Stop(stop)), _) => Err(stop),
                (Err(ReadFailure::Sqlite(error)), _) => Err(storage(error).into()),
                (Err(ReadFailure::Damaged), Some(projection)) => {
                    // Opening the views again rebuilds them.
                    projections.reader(&name).map_err(storage)?;
                    let newest = directory.get(&name).map_or(Position::ZERO, |tenant| *tenant.positions.borrow());
                    let projection = projection.clone();
                    Err(ReadError::BeingBuilt { projection, reached: Position::ZERO, newest }.into())
                }
                (Err(ReadFailure::Damaged), None) => {
                    Err(storage("the read models were damaged and are being rebuilt").into())
                }
            }
        };
        self.reads.run(tenant, Patience::Bounded, work).await
    }

    /// The view's position as it advances; `None` when nothing feeds the view.
    async fn reached(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Result<Option<Reached>, ReadError> {
        if let Some(reached) = self.projections.position_if_open(tenant, domain, projection) {
            return Ok(Some(reached));
        }
        let (projections, name) = (Arc::clone(&self.projections), tenant.clone());
        let (domain, projection) = (domain.clone(), projection.clone());
        let work = move |_: &ReadTurn<'_>| Ok(projections.position(&name, &domain, &projection).map_err(storage)?);
        self.reads.run(tenant, Patience::Bounded, work).await
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
            self.projections.hurry(tenant, domain, projection);
            if tokio::time::timeout_at(deadline, view.positions.changed()).await.is_err() {
                return Err(match asked > Position::ZERO {
                    true => ReadError::Behind { asked, reached, why: view.stalled() },
                    false => {
                        let newest = *tenant_to_read(&self.directory, tenant)?.positions.borrow();
                        ReadError::BeingBuilt { projection: projection.clone(), reached, newest }
                    }
                });
            }
        }
    }

    /// The schema of a projection's documents.
    fn find_projection(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Result<serde_json::Value, ReadError> {
        let found = find_domain(&self.directory, tenant, domain)?;
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
