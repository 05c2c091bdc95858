//! `GET /v1/{tenant}/events`: a tenant's events in order of position, up to the newest or, with `follow=true`, without
//! end.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use polder_core::{Position, subject};
use polder_engine::EventFilter;

use crate::access::{self, Caller, Hints as _};
use crate::app::App;
use crate::requests::event_feed::{Feed, FeedQuery, Follow};
use crate::wire::event_stream::{Format, respond};
use crate::wire::headers;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::Query;

pub(super) const PARAMETERS: &[&str] =
    &["after", "end_at", "domain", "aggregate_id", "name", "correlation_id", "follow", "limit"];

pub(super) async fn stream(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let filter = EventFilter {
        domain: query.named("domain")?,
        name: query.named("name")?,
        correlation_id: query.named("correlation_id")?,
        aggregate_id: query.named("aggregate_id")?,
        about: None,
    };
    let visible =
        caller.visible_events(subject::events(&tenant, filter.domain.as_ref(), None, filter.name.as_ref()))?;
    if let Some(domain) = &filter.domain {
        let known = app.host(&tenant).queries().check_event_domain(&tenant, domain);
        known.map_err(|error| error.for_caller(&caller, &tenant, domain))?;
    }
    // A browser that reconnects repeats the same address, and sends the last position that it has in this header.
    let last = headers::last_event_id(&headers)?;
    let after = match last {
        Some(position) => position,
        None => query.number("after")?.unwrap_or(0),
    };
    let limit = query.number("limit")?;
    let end_at = query.number("end_at")?.map(Position);
    let host = app.host(&tenant).clone();
    let follow = match query.flag("follow")? {
        true => Some(Follow { positions: host.queries().positions(&tenant)?, closing: app.closing.clone() }),
        false => None,
    };
    let query = FeedQuery { tenant, filter, visible, after: Position(after), end_at, limit };
    let feed = Feed::open(host, query, follow).await?;
    let format = Format::accepted(&headers);
    if format == Format::ServerSentEvents && last.is_some() && feed.is_empty() {
        // The status that stops a browser from reconnecting.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let items = feed.into_stream().take_until(Box::pin(access::ended(Arc::clone(&app.authenticator), caller)));
    Ok(respond(items, format, |event| event.position.0))
}
