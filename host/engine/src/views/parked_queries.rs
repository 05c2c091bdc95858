//! Events that projections could not apply: lists them, retries them, discards them. Each request is one of its
//! tenant's reads, also one that changes something: it uses the tenant's views as a query does. It changes nothing if
//! its caller goes away before its turn.

use std::sync::Arc;

use polder_core::{MemoryReservation, Position, TenantName};

use super::answers::{ParkedChanged, ParkedDetail, ParkedEvent, ParkedFilter, ParkedPage};
use super::set_aside::page_of;
use super::view_queries::ViewQueries;
use super::views_reader::ViewsReader;
use crate::read::{EventFilter, Patience, ReadError, ReadTurn, held_bytes, storage, tenant_to_read};

/// Views listed for one event. More views than this that have set the same event aside are not listed.
const VIEWS_SHOWN_MAX: usize = 1_000;

impl ViewQueries {
    pub async fn parked(
        &self,
        tenant: &TenantName,
        filter: ParkedFilter,
        limit: usize,
    ) -> Result<ParkedPage, ReadError> {
        let (parked, reserved) = self.read_parked(tenant, filter, limit + 1).await?;
        let (parked, next) = page_of(parked, limit);
        Ok(ParkedPage { parked, next, reserved })
    }

    /// The parked entries of the event at a position, with the event.
    pub async fn parked_event(
        &self,
        tenant: &TenantName,
        position: Position,
        filter: ParkedFilter,
    ) -> Result<ParkedDetail, ReadError> {
        let filter = ParkedFilter { position: Some(position), ..filter };
        let (parked, mut reserved) = self.read_parked(tenant, filter, VIEWS_SHOWN_MAX).await?;
        let before = Position(position.0.saturating_sub(1));
        let page = self.queries.events(tenant, &EventFilter::default(), before, 1).await?;
        match page.events.into_iter().find(|event| event.position == position) {
            Some(event) if !parked.is_empty() => {
                // One reservation for both: that of the page ends here.
                let page_bytes = page.reserved.map_or(0, |page| page.bytes());
                if let Some(reserved) = &mut reserved {
                    reserved.grow(page_bytes).map_err(ReadError::MemoryExhausted)?;
                }
                Ok(ParkedDetail { parked, event, reserved })
            }
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
        let (projections, name) = (Arc::clone(&self.projections), tenant.clone());
        let work = move |_: &ReadTurn<'_>| {
            let events = projections.retry_parked(&name, &filter).map_err(storage)?;
            Ok(changed(events, &filter)?)
        };
        self.reads.run_slowly(tenant, Patience::Bounded, work).await
    }

    /// Discards parked events: their documents continue without them.
    ///
    /// # Errors
    /// [`ReadError::NothingParked`] if the filter names a position at which no event is parked.
    pub async fn discard_parked(&self, tenant: &TenantName, filter: ParkedFilter) -> Result<ParkedChanged, ReadError> {
        tenant_to_read(&self.directory, tenant)?;
        let (projections, name) = (Arc::clone(&self.projections), tenant.clone());
        let work = move |_: &ReadTurn<'_>| {
            let events = projections.discard_parked(&name, &filter).map_err(storage)?;
            tracing::info!(tenant = %name, events, "parked events were discarded");
            Ok(changed(events, &filter)?)
        };
        self.reads.run_slowly(tenant, Patience::Bounded, work).await
    }

    /// The first `limit` parked events, with the memory of the answer.
    async fn read_parked(
        &self,
        tenant: &TenantName,
        filter: ParkedFilter,
        limit: usize,
    ) -> Result<(Vec<ParkedEvent>, Option<MemoryReservation>), ReadError> {
        tenant_to_read(&self.directory, tenant)?;
        let ask = move |views: &ViewsReader, turn: &ReadTurn<'_>| {
            let parked = views.parked(&filter, limit, turn)?;
            let reserved = turn.reserve(held_bytes(&parked))?;
            Ok((parked, Some(reserved)))
        };
        // Without a domain the tenant has no views, and nothing to be listed.
        match self.projections.views(tenant) {
            None => Ok((Vec::new(), None)),
            Some(_) => self.ask(tenant, None, ask).await,
        }
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
