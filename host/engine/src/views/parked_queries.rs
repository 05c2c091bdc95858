//! Events that projections could not apply: lists them, retries them, discards them.

use std::sync::Arc;

use polder_core::{Position, TenantName};

use super::answers::{ParkedChanged, ParkedDetail, ParkedEvent, ParkedFilter, ParkedPage};
use super::set_aside::page_of;
use super::view_queries::ViewQueries;
use super::views_reader::ViewsReader;
use crate::joined::blocking;
use crate::read::{EventFilter, ReadError, ReadTurn, storage, tenant_to_read};

/// Views listed for one event. More views than this that have set the same event aside are not listed.
const VIEWS_SHOWN_MAX: usize = 1_000;

impl ViewQueries {
    pub async fn parked(
        &self,
        tenant: &TenantName,
        filter: ParkedFilter,
        limit: usize,
    ) -> Result<ParkedPage, ReadError> {
        tenant_to_read(&self.directory, tenant)?;
        let (parked, next) = page_of(self.list(tenant, filter, limit + 1).await?, limit);
        Ok(ParkedPage { parked, next })
    }

    /// The parked entries of the event at a position, with the event.
    pub async fn parked_event(
        &self,
        tenant: &TenantName,
        position: Position,
        filter: ParkedFilter,
    ) -> Result<ParkedDetail, ReadError> {
        tenant_to_read(&self.directory, tenant)?;
        let filter = ParkedFilter { position: Some(position), ..filter };
        let parked = self.list(tenant, filter, VIEWS_SHOWN_MAX).await?;
        let before = Position(position.0.saturating_sub(1));
        let page = self.queries.events(tenant, &EventFilter::default(), before, 1).await?;
        match page.events.into_iter().find(|event| event.position == position) {
            Some(event) if !parked.is_empty() => Ok(ParkedDetail { parked, event }),
            _ => Err(ReadError::NothingParked(position)),
        }
    }

    /// Retries events, each with the events before it that concern the same documents. Returns at once; the views then
    /// continue in the background.
    ///
    /// # Errors
    /// [`ReadError::NothingParked`] if the filter names a position at which no event is parked.
    pub async fn retry_parked(&self, tenant: &TenantName, filter: ParkedFilter) -> Result<ParkedChanged, ReadError> {
        tenant_to_read(&self.directory, tenant)?;
        let (projections, tenant) = (Arc::clone(&self.projections), tenant.clone());
        blocking(move || {
            let events = projections.retry_parked(&tenant, &filter).map_err(storage)?;
            changed(events, &filter)
        })
        .await
    }

    /// Discards parked events: their documents continue without them.
    ///
    /// # Errors
    /// [`ReadError::NothingParked`] if the filter names a position at which no event is parked.
    pub async fn discard_parked(&self, tenant: &TenantName, filter: ParkedFilter) -> Result<ParkedChanged, ReadError> {
        tenant_to_read(&self.directory, tenant)?;
        let (projections, tenant) = (Arc::clone(&self.projections), tenant.clone());
        blocking(move || {
            let events = projections.discard_parked(&tenant, &filter).map_err(storage)?;
            tracing::info!(%tenant, events, "parked events were discarded");
            changed(events, &filter)
        })
        .await
    }

    /// Lists parked events, as one of the tenant's reads.
    async fn list(
        &self,
        tenant: &TenantName,
        filter: ParkedFilter,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, ReadError> {
        // Without a domain the tenant has no views, and nothing to be listed.
        if self.projections.views(tenant).is_none() {
            return Ok(Vec::new());
        }
        let ask = move |views: &ViewsReader, turn: &ReadTurn<'_>| views.parked(&filter, limit, turn);
        self.ask(tenant, None, ask).await
    }
}

/// The result of a change. A position without parked events is an error: the caller has mistaken it. Other filters may
/// match nothing.
fn changed(events: u64, filter: &ParkedFilter) -> Result<ParkedChanged, ReadError> {
    match filter.position {
        Some(position) if events == 0 => Err(ReadError::NothingParked(position)),
        _ => Ok(ParkedChanged { events }),
    }
}
