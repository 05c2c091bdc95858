//! `/v1/{tenant}/parked`: events that projections could not apply, on the host that receives the request.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use polder_core::{DomainName, TenantName, subject};
use polder_engine::ParkedFilter;

use crate::access::{Caller, Permission};
use crate::app::App;
use crate::wire::http_status;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::{Query, bad_parameter};
use crate::wire::response_json::{json, json_held};

pub(super) const LIST_PARAMETERS: &[&str] = &["domain", "projection", "key", "after", "limit"];
pub(super) const ONE_PARAMETERS: &[&str] = &["domain", "projection", "key"];
pub(super) const CHANGE_PARAMETERS: &[&str] = &["domain", "projection", "key", "position", "all"];

/// The default number of events in one response.
const PARKED_PER_PAGE: usize = 100;
/// The most events in one response.
const PARKED_PER_PAGE_MAX: usize = 1_000;

/// `GET /v1/{tenant}/parked`.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let limit = query.number("limit")?.unwrap_or(PARKED_PER_PAGE);
    if !(1..=PARKED_PER_PAGE_MAX).contains(&limit) {
        let problem = bad_parameter("limit", &format!("is {limit}; 1 to {PARKED_PER_PAGE_MAX} would be right"));
        return Err(problem.with_limit("parked_per_page_max", PARKED_PER_PAGE_MAX));
    }
    let filter = filter(&app, &caller, &tenant, "parked", &query)?;
    let mut page = app.host(&tenant).views().parked(&tenant, filter, limit).await?;
    let reserved = page.reserved.take();
    Ok(json_held(StatusCode::OK, &page, reserved))
}

/// `GET /v1/{tenant}/parked/{position}`.
pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let filter = filter(&app, &caller, &tenant, "parked", &query)?;
    let mut detail = app.host(&tenant).views().parked_event(&tenant, path.position()?, filter).await?;
    let reserved = detail.reserved.take();
    Ok(json_held(StatusCode::OK, &detail, reserved))
}

/// `POST /v1/{tenant}/parked/retry`.
pub(super) async fn retry(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let filter = chosen(&app, &caller, &tenant, "retry", &query)?;
    Ok(json(StatusCode::ACCEPTED, &app.host(&tenant).views().retry_parked(&tenant, filter).await?))
}

/// `POST /v1/{tenant}/parked/discard`.
pub(super) async fn discard(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let filter = chosen(&app, &caller, &tenant, "discard", &query)?;
    Ok(json(StatusCode::ACCEPTED, &app.host(&tenant).views().discard_parked(&tenant, filter).await?))
}

/// The filter of a change. The caller must restrict it by a parameter or ask for all events, so that none is changed by
/// mistake.
fn chosen(app: &App, caller: &Caller, tenant: &TenantName, act: &str, query: &Query) -> Result<ParkedFilter, Problem> {
    let names = ["domain", "projection", "key", "position"];
    let mut is_named = false;
    for name in names {
        is_named |= query.one(name)?.is_some();
    }
    if is_named == query.flag("all")? {
        let detail =
            "select events with \"domain\", \"projection\", \"key\" or \"position\", or all of them with \"all=true\"";
        return Err(Problem::new(&http_status::BAD_QUERY, detail));
    }
    filter(app, caller, tenant, act, query)
}

/// The filter, restricted to domains for which the caller may do this.
fn filter(app: &App, caller: &Caller, tenant: &TenantName, act: &str, query: &Query) -> Result<ParkedFilter, Problem> {
    let may = |domain: &DomainName| caller.may_publish(&subject::admin(tenant, act, domain));
    let domains = match query.named::<DomainName>("domain")? {
        Some(domain) => {
            caller.check(&Permission::Publish(subject::admin(tenant, act, &domain)))?;
            vec![domain]
        }
        None => app.host(tenant).queries().domain_names(tenant)?.into_iter().filter(may).collect(),
    };
    Ok(ParkedFilter {
        domains: Some(domains),
        projection: query.named("projection")?,
        key: query.one("key")?.map(str::to_owned),
        position: query.number("position")?.map(polder_core::Position),
        after: query.number("after")?.map(polder_core::Position),
    })
}
