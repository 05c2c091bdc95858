//! `/v1/tenants`: the tenants of this host, with their limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use polder_core::{LimitChanges, Limits, Position, TenantName, subject};
use polder_engine::{EventFilter, SYSTEM_TENANT, TenantChanged};

use crate::access::{self, Caller, VisibleEvents};
use crate::app::App;
use crate::body;
use crate::event_stream::{Format, respond};
use crate::feed::{Feed, Wanted};
use crate::incoming_json::parse;
use crate::json::json;
use crate::paging::page;
use crate::path::Segments;
use crate::problem::Problem;
use crate::problem_kinds;
use crate::query::Query;

/// The longest body of a change of limits, in bytes. Each limit is named once, so this is ample.
const LIMIT_CHANGE_BYTES_MAX: u64 = 64 * 1024;

pub(crate) const REMOVE_PARAMETERS: &[&str] = &["confirm"];

pub(crate) async fn list(State(app): State<Arc<App>>, query: Query) -> Result<Response, Problem> {
    let mut tenants: Vec<_> = app.parts.all().iter().flat_map(|part| part.host.tenants()).collect();
    tenants.sort_unstable_by(|a, b| a.tenant.cmp(&b.tenant));
    page("tenants", tenants, &query, |info| info.tenant.clone())
}

pub(crate) async fn one(State(app): State<Arc<App>>, segments: Segments) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    Ok(json(StatusCode::OK, &app.host(&tenant).tenant(&tenant)?))
}

/// `PUT /v1/tenants/{tenant}`: status 201 if the tenant is new, 200 if it exists.
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, actor) = (segments.tenant()?, caller.actor(&headers, subject::HOST)?);
    let changed = app.host(&tenant).add_tenant(&tenant, actor.as_deref()).await?;
    let status = if changed.changed { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &changed))
}

/// `PATCH /v1/tenants/{tenant}/limits`: `{"fuel_per_call_max": 5000000, "event_bytes_max": null}`; null restores the
/// default.
pub(crate) async fn limits(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    request: Request,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let (parts, sent) = request.into_parts();
    let actor = caller.actor(&parts.headers, subject::HOST)?;
    let changes = changes(&body::read(&app.memory, sent, LIMIT_CHANGE_BYTES_MAX, "limit_change_bytes_max").await?)?;
    Ok(changed(app.host(&tenant).change_limits(&tenant, changes, actor.as_deref()).await?))
}

pub(crate) async fn suspend(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, actor) = (segments.tenant()?, caller.actor(&headers, subject::HOST)?);
    Ok(changed(app.host(&tenant).suspend(&tenant, actor.as_deref()).await?))
}

pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, actor) = (segments.tenant()?, caller.actor(&headers, subject::HOST)?);
    Ok(changed(app.host(&tenant).resume(&tenant, actor.as_deref()).await?))
}

/// `DELETE /v1/tenants/{tenant}?confirm={tenant}`: removes the tenant with all its data.
pub(crate) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, actor) = (segments.tenant()?, caller.actor(&headers, subject::HOST)?);
    let confirmed = query.one("confirm")?.unwrap_or_default();
    app.host(&tenant).remove_tenant(&tenant, confirmed, actor.as_deref()).await?;
    Ok(json(StatusCode::OK, &serde_json::json!({ "removed": tenant })))
}

/// `GET /v1/tenants/{tenant}/facts`: the facts about the tenant and its domains in the host's own history.
pub(crate) async fn facts(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let host = app.host(&tenant).clone();
    let tenant = host.tenant(&tenant)?.tenant;
    let system = TenantName::new(SYSTEM_TENANT)?;
    let filter = EventFilter { about: Some(tenant), ..EventFilter::default() };
    // A caller that may export the tenant may see all its facts.
    let wanted =
        Wanted { tenant: system, filter, sight: VisibleEvents::All, after: Position::ZERO, end_at: None, limit: None };
    let feed = Feed::open(host, wanted, None).await?;
    let items = feed.into_stream().take_until(Box::pin(access::ended(app, caller)));
    Ok(respond(items, Format::wanted(&headers), |event| event.position.0))
}

/// `GET /v1/tenants/{tenant}/components/{revision}`: a component as it was uploaded.
pub(crate) async fn component(State(app): State<Arc<App>>, segments: Segments) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let component = app.host(&tenant).component(&tenant, segments.revision()?).await?;
    Ok(([(CONTENT_TYPE, "application/wasm")], component).into_response())
}

fn changed(changed: TenantChanged) -> Response {
    json(StatusCode::OK, &changed)
}

fn changes(body: &[u8]) -> Result<LimitChanges, Problem> {
    let right = "an object such as {\"fuel_per_call_max\": 5000000} would be right, with whole numbers, or null for the default";
    let asked: BTreeMap<String, Option<u64>> = parse(body, "the change of limits", right)?;
    if asked.is_empty() {
        return Err(Problem::new(&problem_kinds::BAD_BODY, format!("the body names no limit: {right}")));
    }
    let known: Vec<_> = Limits::ALL.iter().map(|limit| limit.name).collect();
    LimitChanges::try_from(asked)
        .map_err(|error| Problem::new(&problem_kinds::BAD_LIMIT, error.to_string()).with_known(&known))
}
