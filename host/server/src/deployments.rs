//! `/v1/{tenant}/domains`: puts domains on the host and tells which are there.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use polder_core::subject;
use polder_engine::DomainInfo;
use serde::Serialize;

use crate::access::Caller;
use crate::app::App;
use crate::body;
use crate::json::json;
use crate::kinds;
use crate::problem::Problem;
use crate::segments::Segments;

/// The largest component that can be uploaded.
const COMPONENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

#[derive(Serialize)]
struct Domains {
    domains: Vec<DomainInfo>,
}

/// `PUT /v1/{tenant}/domains/{domain}`: the body is a component, or the core module that rustc leaves.
pub(crate) async fn deploy(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    request: Request,
) -> Result<Response, Problem> {
    let (tenant, domain) = (segments.tenant()?, segments.domain()?);
    let (parts, sent) = request.into_parts();
    let actor = caller.actor(&parts.headers, tenant.as_str())?;
    let component = body::read(sent, COMPONENT_BYTES_MAX, "of uploads").await?;
    let deployed = app.host.deploy(&tenant, component, Some(&domain), actor.as_deref()).await?;
    Ok(json(StatusCode::OK, &deployed))
}

/// Those that the caller may ask about.
pub(crate) async fn list(State(app): State<Arc<App>>, caller: Caller, segments: Segments) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let mut domains = app.host.domains(&tenant).await?;
    domains.retain(|info| caller.may_publish(&subject::catalog(&tenant, &info.domain)));
    Ok(json(StatusCode::OK, &Domains { domains }))
}

pub(crate) async fn one(State(app): State<Arc<App>>, caller: Caller, segments: Segments) -> Result<Response, Problem> {
    let (tenant, domain) = (segments.tenant()?, segments.domain()?);
    let domains = app.host.domains(&tenant).await?;
    let names = domains.iter().map(|info| info.domain.clone());
    let known: Vec<_> = names.filter(|name| caller.may_publish(&subject::catalog(&tenant, name))).collect();
    match domains.into_iter().find(|info| info.domain == domain) {
        Some(info) => Ok(json(StatusCode::OK, &info)),
        None => {
            let detail = format!("tenant {tenant:?} has no domain {domain:?}");
            Err(Problem::new(&kinds::UNKNOWN_DOMAIN, detail).with_known(&known))
        }
    }
}
