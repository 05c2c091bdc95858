//! `/v1/tenants`: who has domains and histories on this host, and what each may use.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use polder_core::{LimitChanges, Limits, subject};
use polder_engine::{TenantChanged, TenantInfo};
use serde::Serialize;

use crate::access::Caller;
use crate::app::App;
use crate::body;
use crate::json::json;
use crate::kinds;
use crate::problem::Problem;
use crate::segments::Segments;

/// A change names each limit once; this is far more than that takes.
const CHANGE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Serialize)]
struct Tenants {
    tenants: Vec<TenantInfo>,
}

pub(crate) async fn list(State(app): State<Arc<App>>) -> Response {
    json(StatusCode::OK, &Tenants { tenants: app.host.tenants() })
}

pub(crate) async fn one(State(app): State<Arc<App>>, segments: Segments) -> Result<Response, Problem> {
    Ok(json(StatusCode::OK, &app.host.tenant(&segments.tenant()?)?))
}

/// `PUT /v1/tenants/{tenant}`: 201 when it is new, 200 when it was there.
pub(crate) async fn add(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let actor = caller.actor(&headers, subject::HOST)?;
    let changed = app.host.add_tenant(&segments.tenant()?, actor.as_deref()).await?;
    let status = if changed.changed { StatusCode::CREATED } else { StatusCode::OK };
    Ok(json(status, &changed))
}

/// `PATCH /v1/tenants/{tenant}/limits`: `{"fuel_per_call_max": 5000000, "event_bytes_max": null}`; null is the default again.
pub(crate) async fn limits(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    request: Request,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let (parts, sent) = request.into_parts();
    let actor = caller.actor(&parts.headers, subject::HOST)?;
    let changes = changes(&body::read(sent, CHANGE_BYTES_MAX, "of a change").await?)?;
    Ok(changed(app.host.change_limits(&tenant, changes, actor.as_deref()).await?))
}

pub(crate) async fn suspend(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let actor = caller.actor(&headers, subject::HOST)?;
    Ok(changed(app.host.suspend(&segments.tenant()?, actor.as_deref()).await?))
}

pub(crate) async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let actor = caller.actor(&headers, subject::HOST)?;
    Ok(changed(app.host.resume(&segments.tenant()?, actor.as_deref()).await?))
}

fn changed(changed: TenantChanged) -> Response {
    json(StatusCode::OK, &changed)
}

fn changes(body: &[u8]) -> Result<LimitChanges, Problem> {
    let right = "an object such as {\"fuel_per_call_max\": 5000000} would be right, with whole numbers, or null for the default";
    let asked: BTreeMap<String, Option<u64>> = serde_json::from_slice(body)
        .map_err(|error| Problem::new(&kinds::BAD_BODY, format!("the body says no limits ({error}): {right}")))?;
    if asked.is_empty() {
        return Err(Problem::new(&kinds::BAD_BODY, format!("the body names no limit: {right}")));
    }
    let known: Vec<_> = Limits::ALL.iter().map(|limit| limit.name).collect();
    LimitChanges::try_from(asked).map_err(|error| Problem::new(&kinds::BAD_LIMIT, error.to_string()).with_known(&known))
}
