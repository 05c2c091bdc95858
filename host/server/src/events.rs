//! `GET /v1/{tenant}/events`: a tenant's history in order of position, to its end or, with `follow=true`, on and on.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::stream;
use polder_core::{Position, subject};
use polder_engine::EventFilter;

use crate::access::Caller;
use crate::app::App;
use crate::event_stream::{Format, respond};
use crate::feed::{Feed, Follow, Wanted};
use crate::headers;
use crate::problem::Problem;
use crate::query::Query;
use crate::segments::Segments;

const KNOWN: &[&str] = &["after", "end_at", "domain", "aggregate_id", "name", "correlation_id", "follow", "limit"];

pub(crate) async fn stream(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    RawQuery(raw): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let query = Query::parse(raw.as_deref(), KNOWN)?;
    let filter = EventFilter {
        domain: query.named("domain")?,
        name: query.named("name")?,
        correlation_id: query.named("correlation_id")?,
        aggregate_id: query.named("aggregate_id")?,
        about: None,
    };
    let sight = caller.sight(subject::events(&tenant, filter.domain.as_ref(), None, filter.name.as_ref()))?;
    // A browser that reconnects repeats the address it was given and says in this header how far it came.
    let after = match headers::last_event_id(&headers)? {
        Some(position) => position,
        None => query.number("after")?.unwrap_or(0),
    };
    let limit = query.number("limit")?;
    let end_at = query.number("end_at")?.map(Position);
    let host = app.host(&tenant).clone();
    let follow = match query.flag("follow")? {
        true => Some(Follow { positions: host.positions(&tenant)?, closing: app.closing.clone() }),
        false => None,
    };
    let wanted = Wanted { tenant, filter, sight, after: Position(after), end_at, limit };
    let feed = Feed::open(host, wanted, follow).await?;
    let pages = stream::try_unfold(feed, |mut feed| async move { Ok(feed.next().await?.map(|page| (page, feed))) });
    Ok(respond(pages, Format::wanted(&headers)))
}
