//! `GET /v1/{tenant}/{domain}/{aggregate}/{id}/events`: one aggregate's history, in order of sequence.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures::{StreamExt as _, stream};
use polder_core::{AggregateId, AggregateName, DomainName, Sequence, TenantName, subject};
use polder_engine::{HistoryPage, Host, ReadError};

use crate::access::{self, Caller, Hints as _, VisibleEvents};
use crate::app::App;
use crate::requests::event_feed::{EVENTS_PER_PAGE, with_memory_retries};
use crate::wire::event_stream::{Format, Page, StreamItem, respond};
use crate::wire::headers;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::Query;

struct History {
    host: Host,
    tenant: TenantName,
    domain: DomainName,
    aggregate: AggregateName,
    id: AggregateId,
    visible: VisibleEvents,
    /// The sequence of the next event to read.
    from: Sequence,
    /// How many events may still be sent.
    left: u64,
    /// The first page, read before the response begins, so that a refusal still has a status.
    first: Option<HistoryPage>,
}

pub(super) const PARAMETERS: &[&str] = &["from", "limit"];

pub(super) async fn stream(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, domain, aggregate) = (path.tenant()?, path.domain()?, path.aggregate()?);
    // A browser that reconnects repeats the same address, and sends the last sequence that it has in this header.
    let last = headers::last_event_id(&headers)?;
    let from = match last {
        Some(last) => Sequence(last.saturating_add(1)),
        None => Sequence(query.number("from")?.unwrap_or(1)),
    };
    let mut history = History {
        host: app.host(&tenant).clone(),
        visible: caller.visible_events(subject::events(&tenant, Some(&domain), Some(&aggregate), None))?,
        tenant,
        domain,
        aggregate,
        id: path.aggregate_id()?,
        from,
        left: query.number("limit")?.unwrap_or(u64::MAX),
        first: None,
    };
    let first = history.first_page().await;
    let first = first.map_err(|error| error.for_caller(&caller, &history.tenant, &history.domain))?;
    let format = Format::accepted(&headers);
    if format == Format::ServerSentEvents && last.is_some() && first.events.is_empty() {
        // The status that stops a browser from reconnecting.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    history.first = Some(first);
    let items = stream::try_unfold(Some(history), |history| async move {
        let Some(mut history) = history else { return Ok(None) };
        Ok(Some(match history.next().await? {
            Some(page) => (StreamItem::Page(page), Some(history)),
            None => (StreamItem::Complete, None),
        }))
    });
    let items = items.take_until(Box::pin(access::ended(Arc::clone(&app.authenticator), caller)));
    Ok(respond(items, format, |event| event.sequence.0))
}

impl History {
    async fn next(&mut self) -> Result<Option<Page>, ReadError> {
        while self.left > 0 {
            let mut page = match self.first.take() {
                Some(page) => page,
                None => self.page().await?,
            };
            if page.events.is_empty() {
                return Ok(None);
            }
            self.from = page.next.plus(1);
            self.visible.filter(&self.tenant, &mut page.events);
            // A page without visible events is not the end.
            if !page.events.is_empty() {
                self.left = self.left.saturating_sub(page.events.len() as u64);
                return Ok(Some(Page { events: page.events, reserved: page.reserved }));
            }
        }
        Ok(None)
    }

    async fn first_page(&self) -> Result<HistoryPage, ReadError> {
        let Self { host, tenant, domain, aggregate, id, from, .. } = self;
        host.queries().history(tenant, domain, aggregate, id, *from, self.page_limit()).await
    }

    async fn page(&self) -> Result<HistoryPage, ReadError> {
        let Self { host, tenant, domain, aggregate, id, from, .. } = self;
        with_memory_retries(|| host.queries().further_history(tenant, domain, aggregate, id, *from, self.page_limit()))
            .await
    }

    fn page_limit(&self) -> usize {
        self.left.min(EVENTS_PER_PAGE as u64) as usize
    }
}
