//! What operators ask about events that are set aside: to see them, to have them tried again, to give them up.

use polder_core::{Position, TenantName};

use super::{Projections, ViewsError};
use crate::answers::{ParkedEvent, ParkedFilter};
use crate::projections::open::OpenViews;
use crate::projections::store::StoreResult;

impl Projections {
    pub(crate) fn parked(
        &self,
        tenant: &TenantName,
        filter: &ParkedFilter,
        limit: usize,
    ) -> Result<Vec<ParkedEvent>, ViewsError> {
        self.with_views(tenant, |open| open.store.parked(filter, limit))
    }

    /// Gives how many events stand in the lines that are tried again.
    pub(crate) fn retry_parked(&self, tenant: &TenantName, filter: &ParkedFilter) -> Result<u64, ViewsError> {
        self.with_views(tenant, |open| {
            let count = open.store.retry(filter)?;
            open.retry(self.scheduler.queue());
            Ok(count)
        })
    }

    /// The views go on without them. Gives how many there were.
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

/// Where the next page begins, and of these the ones that this page shows: a position is not divided between two pages, as far as the
/// page has room for it.
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
