//! `GET /v1/{tenant}/{domain}/{aggregate}/{id}/events`: one aggregate's history, in order of sequence.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::stream;
use polder_core::{AggregateId, AggregateName, DomainName, Event, Sequence, TenantName};
use polder_engine::{Host, ReadError};

use crate::app::App;
use crate::event_stream::{Format, respond};
use crate::feed::EVENTS_PER_PAGE;
use crate::problem::Problem;
use crate::query::Query;
use crate::segments::Segments;

struct History {
    host: Host,
    tenant: TenantName,
    domain: DomainName,
    aggregate: AggregateName,
    id: AggregateId,
    /// The sequence of the next event wanted.
    from: Sequence,
    /// Events still to be given.
    left: u64,
    /// Read ahead of the answer, so that a refusal still has a status.
    first: Option<Vec<Event>>,
}

pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    segments: Segments,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = Query::parse(raw.as_deref(), &["from", "limit"])?;
    let mut history = History {
        host: app.host.clone(),
        tenant: segments.tenant()?,
        domain: segments.domain()?,
        aggregate: segments.aggregate()?,
        id: segments.aggregate_id()?,
        from: Sequence(query.number("from")?.unwrap_or(1)),
        left: query.number("limit")?.unwrap_or(u64::MAX),
        first: None,
    };
    history.first = Some(history.page().await?);
    let pages =
        stream::try_unfold(history, |mut history| async move { Ok(history.next().await?.map(|page| (page, history))) });
    Ok(respond(pages, Format::wanted(&headers)))
}

impl History {
    async fn next(&mut self) -> Result<Option<Vec<Event>>, ReadError> {
        if self.left == 0 {
            return Ok(None);
        }
        let page = match self.first.take() {
            Some(page) => page,
            None => self.page().await?,
        };
        let Some(last) = page.last() else { return Ok(None) };
        self.from = last.sequence.plus(1);
        self.left = self.left.saturating_sub(page.len() as u64);
        Ok(Some(page))
    }

    async fn page(&self) -> Result<Vec<Event>, ReadError> {
        let limit = self.left.min(EVENTS_PER_PAGE as u64) as usize;
        self.host.history(&self.tenant, &self.domain, &self.aggregate, &self.id, self.from, limit).await
    }
}
