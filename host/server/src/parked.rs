//! `/v1/{tenant}/parked`: events that projections could not apply, on the host that receives the request.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use polder_core::{DomainName, TenantName, subject};
use polder_engine::ParkedFilter;

use crate::access::{Caller, Wanted};
use crate::app::App;
use crate::json::json;
use crate::path::Segments;
use crate::problem::Problem;
use crate::problem_kinds;
use crate::query::{Query, bad_parameter};

pub(crate) const LIST_PARAMETERS: &[&str] = &["domain", "projection", "key", "after", "limit"];
pub(crate) const ONE_PARAMETERS: &[&str] = &["domain", "projection", "key"];
pub(crate) const CHANGE_PARAMETERS: &[&str] = &["domain", "projection", "key", "position", "all"];

/// The default number of events in one response.
const PARKED_PER_PAGE: usize = 100;
/// The most events in one response.
const PARKED_PER_PAGE_MAX: usize = 1_000;

/// `GET /v1/{tenant}/parked`.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let limit = query.number("limit")?.unwrap_or(PARKED_PER_PAGE);
    if !(1..=PARKED_PER_PAGE_MAX).contains(&limit) {
        let problem = bad_parameter("limit", &format!("is {limit}; 1 to {PARKED_PER_PAGE_MAX} would be right"));
        return Err(problem.with_limit("parked_per_page_max", PARKED_PER_PAGE_MAX));
    }
    let filter = filter(&app, &caller, &tenant, "parked", &query)?;
    Ok(json(StatusCode::OK, &app.host(&tenant).parked(&tenant, filter, limit).await?))
}

/// `GET /v1/{tenant}/parked/{position}`.
pub(crate) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let filter = filter(&app, &caller, &tenant, "parked", &query)?;
    Ok(json(StatusCode::OK, &app.host(&tenant).parked_event(&tenant, segments.position()?, filter).await?))
}

/// `POST /v1/{tenant}/parked/retry`.
pub(crate) async fn retry(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let filter = chosen(&app, &caller, &tenant, "retry", &query)?;
    Ok(json(StatusCode::ACCEPTED, &app.host(&tenant).retry_parked(&tenant, filter).await?))
}

/// `POST /v1/{tenant}/parked/discard`.
pub(crate) async fn discard(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let filter = chosen(&app, &caller, &tenant, "discard", &query)?;
    Ok(json(StatusCode::ACCEPTED, &app.host(&tenant).discard_parked(&tenant, filter).await?))
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
        let detail = "name what is meant by \"domain\", \"projection\", \"key\" or \"position\", or ask for all of it by \"all=true\"";
        return Err(Problem::new(&problem_kinds::BAD_QUERY, detail));
    }
    filter(app, caller, tenant, act, query)
}

/// The filter, restricted to domains for which the caller may do this.
fn filter(app: &App, caller: &Caller, tenant: &TenantName, act: &str, query: &Query) -> Result<ParkedFilter, Problem> {
    let may = |domain: &DomainName| caller.may_publish(&subject::admin(tenant, act, domain));
    let domains = match query.named::<DomainName>("domain")? {
        Some(domain) => {
            caller.check(&Wanted::Publish(subject::admin(tenant, act, &domain)))?;
            vec![domain]
        }
        None => app.host(tenant).domain_names(tenant)?.into_iter().filter(may).collect(),
    };
    Ok(ParkedFilter {
        domains: Some(domains),
        projection: query.named("projection")?,
        key: query.one("key")?.map(str::to_owned),
        position: query.number("position")?.map(polder_core::Position),
        after: query.number("after")?.map(polder_core::Position),
    })
}
