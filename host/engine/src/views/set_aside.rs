//! Operations on parked events: retry, discard; and the division of a list of them into pages.

use polder_core::{Position, TenantName};

use super::answers::{ParkedEvent, ParkedFilter};
use super::open_views::OpenViews;
use super::projections::Projections;
use super::store::StoreResult;
use super::tenant_views::ViewsError;

impl Projections {
    /// Returns the number of events in the queues of parked events that are retried.
    pub(crate) fn retry_parked(&self, tenant: &TenantName, filter: &ParkedFilter) -> Result<u64, ViewsError> {
        self.with_views(tenant, |open| {
            let count = open.store.retry(filter)?;
            open.retry(self.scheduler.queue());
            Ok(count)
        })
    }

    /// Discards events, so that the views continue without them. Returns the number of these events.
    pub(crate) fn discard_parked(&self, tenant: &TenantName, filter: &ParkedFilter) -> Result<u64, ViewsError> {
        self.with_views(tenant, |open| {
            let count = open.store.discard(filter)?;
            open.retry(self.scheduler.queue());
            Ok(count)
        })
    }

    fn with_views<T: Default>(
        &self,
        tenant: &TenantName,
        work: impl FnOnce(&OpenViews) -> StoreResult<T>,
    ) -> Result<T, ViewsError> {
        let Some(views) = self.views(tenant) else { return Ok(T::default()) };
        let open = views.open(self.scheduler.queue())?;
        work(&open).map_err(|error| views.failed(error))
    }
}

/// Cuts a list of events to one page, and returns the position after which the next page begins. A position is not
/// divided between two pages, unless its events do not fit into one page.
pub(crate) fn page_of(mut parked: Vec<ParkedEvent>, limit: usize) -> (Vec<ParkedEvent>, Option<Position>) {
    if parked.len() <= limit {
        return (parked, None);
    }
    let divided = parked[limit].position;
    let whole = parked.partition_point(|event| event.position < divided);
    parked.truncate(if whole == 0 { limit } else { whole });
    let next = parked.last().map(|event| event.position);
    (parked, next)
}
