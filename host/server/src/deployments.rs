//! `/v1/{tenant}/domains`: puts domains on the host and tells which are there.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use polder_engine::DomainInfo;
use serde::Serialize;

use crate::app::App;
use crate::json::json;
use crate::kinds;
use crate::problem::Problem;
use crate::segments::Segments;
use crate::{body, headers};

/// The largest component that can be uploaded.
const COMPONENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

#[derive(Serialize)]
struct Domains {
    domains: Vec<DomainInfo>,
}

/// `PUT /v1/{tenant}/domains/{domain}`: the body is a component, or the core module that rustc leaves.
pub(crate) async fn deploy(
    State(app): State<Arc<App>>,
    segments: Segments,
    request: Request,
) -> Result<Response, Problem> {
    let (tenant, domain) = (segments.tenant()?, segments.domain()?);
    let (parts, sent) = request.into_parts();
    let actor = headers::actor(&parts.headers)?;
    let component = body::read(sent, COMPONENT_BYTES_MAX, "of uploads").await?;
    let deployed = app.host.deploy(&tenant, component, Some(&domain), actor.as_deref()).await?;
    Ok(json(StatusCode::OK, &deployed))
}

pub(crate) async fn list(State(app): State<Arc<App>>, segments: Segments) -> Result<Response, Problem> {
    let domains = app.host.domains(&segments.tenant()?).await?;
    Ok(json(StatusCode::OK, &Domains { domains }))
}

pub(crate) async fn one(State(app): State<Arc<App>>, segments: Segments) -> Result<Response, Problem> {
    let (tenant, domain) = (segments.tenant()?, segments.domain()?);
    let domains = app.host.domains(&tenant).await?;
    let known: Vec<_> = domains.iter().map(|info| info.domain.clone()).collect();
    match domains.into_iter().find(|info| info.domain == domain) {
        Some(info) => Ok(json(StatusCode::OK, &info)),
        None => {
            let detail = format!("tenant {tenant:?} has no domain {domain:?}");
            Err(Problem::new(&kinds::UNKNOWN_DOMAIN, detail).with_known(&known))
        }
    }
}
