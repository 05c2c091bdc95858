//! `/v1/tenants`: the tenants of this host, with their limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use polder_core::{LimitChanges, Limits, Position, TenantName, subject};
use polder_engine::{EventFilter, SYSTEM_TENANT, TenantChanged};

use crate::access::{self, Caller, VisibleEvents};
use crate::app::App;
use crate::requests::event_feed::{Feed, FeedQuery};
use crate::wire::body;
use crate::wire::event_stream::{Format, respond};
use crate::wire::http_status;
use crate::wire::paging::page;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::Query;
use crate::wire::request_json::parse;
use crate::wire::response_json::{held, json};

/// The longest body of a change of limits, in bytes. Each limit is named once, so this is ample.
const LIMIT_CHANGE_BYTES_MAX: u64 = 64 * 1024;

pub(super) const REMOVE_PARAMETERS: &[&str] = &["confirm"];

pub(super) async fn list(State(app): State<Arc<App>>, query: Query) -> Result<Response, Problem> {
    let mut tenants: Vec<_> =
        app.partitions.all().iter().flat_map(|partition| partition.host.tenants().list()).collect();
    tenants.sort_unstable_by(|a, b| a.tenant.cmp(&b.tenant));
    page("tenants", tenants, &query, |info| info.tenant.clone())
}

pub(super) async fn one(State(app): State<Arc<App>>, path: PathParameters) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    Ok(json(StatusCode::OK, &app.host(&tenant).tenants().get(&tenant)?))
}

/// `PUT /v1/tenants/{tenant}`: status 201 if the tenant is new, 200 if it exists.
pub(super) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, actor) = (path.tenant()?, caller.actor(&headers, subject::HOST)?);
    let changed = app.host(&tenant).tenants().add(&tenant, actor.as_deref()).await?;
    let status = if changed.changed { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &changed))
}

/// `PATCH /v1/tenants/{tenant}/limits`: `{"fuel_per_call_max": 5000000, "event_bytes_max": null}`; null restores the
/// default.
pub(super) async fn limits(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    request: Request,
) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let (parts, sent) = request.into_parts();
    let actor = caller.actor(&parts.headers, subject::HOST)?;
    let changes = changes(&body::read(&app.memory, sent, LIMIT_CHANGE_BYTES_MAX, "limit_change_bytes_max").await?)?;
    Ok(changed(app.host(&tenant).tenants().change_limits(&tenant, changes, actor.as_deref()).await?))
}

pub(super) async fn suspend(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, actor) = (path.tenant()?, caller.actor(&headers, subject::HOST)?);
    Ok(changed(app.host(&tenant).tenants().suspend(&tenant, actor.as_deref()).await?))
}

pub(super) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, actor) = (path.tenant()?, caller.actor(&headers, subject::HOST)?);
    Ok(changed(app.host(&tenant).tenants().resume(&tenant, actor.as_deref()).await?))
}

/// `DELETE /v1/tenants/{tenant}?confirm={tenant}`: removes the tenant with all its data.
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, actor) = (path.tenant()?, caller.actor(&headers, subject::HOST)?);
    let confirmed = query.one("confirm")?.unwrap_or_default();
    app.host(&tenant).tenants().remove(&tenant, confirmed, actor.as_deref()).await?;
    Ok(json(StatusCode::OK, &serde_json::json!({ "removed": tenant })))
}

/// `GET /v1/tenants/{tenant}/facts`: the facts about the tenant and its domains in the host's own history.
pub(super) async fn facts(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let host = app.host(&tenant).clone();
    let tenant = host.tenants().get(&tenant)?.tenant;
    let system = TenantName::new(SYSTEM_TENANT)?;
    let filter = EventFilter { about: Some(tenant), ..EventFilter::default() };
    // A caller that may export the tenant may see all its facts.
    let query = FeedQuery {
        tenant: system,
        filter,
        visible: VisibleEvents::All,
        after: Position::ZERO,
        end_at: None,
        limit: None,
    };
    let feed = Feed::open(host, query, None).await?;
    let items = feed.into_stream().take_until(Box::pin(access::ended(Arc::clone(&app.authenticator), caller)));
    Ok(respond(items, Format::accepted(&headers), |event| event.position.0))
}

/// `GET /v1/tenants/{tenant}/components/{revision}`: a component as it was uploaded.
pub(super) async fn component(State(app): State<Arc<App>>, path: PathParameters) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let component = app.host(&tenant).deployments().component(&tenant, path.revision()?).await?;
    let headers = [(CONTENT_TYPE, "application/wasm")];
    Ok((headers, Body::from(held(component.bytes, component.reserved))).into_response())
}

fn changed(changed: TenantChanged) -> Response {
    json(StatusCode::OK, &changed)
}

fn changes(body: &[u8]) -> Result<LimitChanges, Problem> {
    let right = "an object such as {\"fuel_per_call_max\": 5000000} would be right, with whole numbers, or null for the default";
    let changes: BTreeMap<String, Option<u64>> = parse(body, "the change of limits", right)?;
    if changes.is_empty() {
        return Err(Problem::new(&http_status::BAD_BODY, format!("the body names no limit: {right}")));
    }
    let known: Vec<_> = Limits::ALL.iter().map(|limit| limit.name).collect();
    LimitChanges::try_from(changes)
        .map_err(|error| Problem::new(&http_status::BAD_LIMIT, error.to_string()).with_known(&known))
}
