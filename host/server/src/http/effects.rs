//! `GET /v1/{tenant}/{domain}/effects`: the effects that the domain's projections requested.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use polder_engine::EffectCursor;

use crate::access::{Caller, Hints};
use crate::app::App;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::{Query, bad_parameter};
use crate::wire::response_json::json_held;

/// The most effects of one response, and the default.
const EFFECTS_PER_PAGE: usize = 1_000;

pub(super) const PARAMETERS: &[&str] = &["after", "limit"];

pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let (tenant, domain) = (path.tenant()?, path.domain()?);
    let limit = query.number("limit")?.unwrap_or(EFFECTS_PER_PAGE).min(EFFECTS_PER_PAGE);
    let after = query.one("after")?.map(|text| {
        text.parse::<EffectCursor>().map_err(|error| bad_parameter("after", &format!("cannot be used: {error}")))
    });
    let after = after.transpose()?.unwrap_or_default();
    let page = app.host(&tenant).views().effects(&tenant, &domain, after, limit).await;
    let mut page = page.map_err(|error| error.for_caller(&caller, &tenant, &domain))?;
    let reserved = page.reserved.take();
    Ok(json_held(StatusCode::OK, &page, reserved))
}
