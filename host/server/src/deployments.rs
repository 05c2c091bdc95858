//! `/v1/{tenant}/domains`: puts domains on the host, goes back to earlier revisions, and tells which are there.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use polder_core::{DomainName, TenantName, subject};
use polder_engine::{DeployOptions, GateOptions, ReadError, ReplayScope, RollBackOptions};

use crate::access::{Caller, Hints, Wanted};
use crate::app::App;
use crate::json::json;
use crate::paging::page;
use crate::problem::Problem;
use crate::query::{Query, bad_parameter};
use crate::segments::Segments;
use crate::{body, gate_progress};

/// The largest component that can be uploaded.
const COMPONENT_BYTES_MAX: u64 = 32 * 1024 * 1024;
pub(crate) const DEPLOY_PARAMETERS: &[&str] =
    &["dry_run", "accept_changes", "accept_set_aside", "replay", "release_quarantine"];
pub(crate) const ROLLBACK_PARAMETERS: &[&str] = &["dry_run", "accept_changes", "accept_set_aside", "replay", "to"];

/// `PUT /v1/{tenant}/domains/{domain}`: the body is a component, or the core module that rustc leaves.
pub(crate) async fn deploy(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    put(&app, &caller, segments.tenant()?, Some(segments.domain()?), query, request).await
}

/// `PUT /v1/{tenant}/domains`: as above, for whatever domain the component describes.
pub(crate) async fn deploy_any(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    put(&app, &caller, segments.tenant()?, None, query, request).await
}

async fn put(
    app: &App,
    caller: &Caller,
    tenant: TenantName,
    domain: Option<DomainName>,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, sent) = request.into_parts();
    // Read whole before anything is refused: a connection with an unread body is closed, and callers see that instead of the answer.
    let component = body::read(&app.memory, sent, COMPONENT_BYTES_MAX, "of uploads").await?;
    let gate = gate(&query, caller.actor(&parts.headers, tenant.as_str())?)?;
    let release_quarantine = query.flag("release_quarantine")?;
    let (domain, described) = match domain {
        Some(domain) => (domain, None),
        None => {
            let described = app.host(&tenant).described(component.clone()).await?;
            let domain = described.domain().clone();
            caller.check(&Wanted::Publish(subject::admin(&tenant, "deploy", &domain)))?;
            (domain, Some(described))
        }
    };
    let (host, options) = (app.host(&tenant).clone(), DeployOptions { gate, domain: Some(domain), release_quarantine });
    gate_progress::respond(&parts.headers, |progress| async move {
        let gate = GateOptions { progress, ..options.gate };
        let deployed = host.deploy(&tenant, component, DeployOptions { gate, ..options }).await;
        // Until here, so that it was compiled once.
        drop(described);
        deployed
    })
    .await
}

/// `POST /v1/{tenant}/domains/{domain}/rollback`.
pub(crate) async fn roll_back(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, domain) = (segments.tenant()?, segments.domain()?);
    let gate = gate(&query, caller.actor(&headers, tenant.as_str())?)?;
    let (host, options) =
        (app.host(&tenant).clone(), RollBackOptions { gate, to: query.one("to")?.map(str::to_owned) });
    gate_progress::respond(&headers, |progress| async move {
        let gate = GateOptions { progress, ..options.gate };
        let rolled_back = host.roll_back(&tenant, &domain, RollBackOptions { gate, ..options }).await;
        rolled_back.map_err(|error| error.for_caller(&caller, &tenant, &domain))
    })
    .await
}

/// `GET /v1/{tenant}/domains/{domain}/revisions`.
pub(crate) async fn revisions(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
) -> Result<Response, Problem> {
    let (tenant, domain) = (segments.tenant()?, segments.domain()?);
    let revisions = app.host(&tenant).revisions(&tenant, &domain).await;
    let revisions = revisions.map_err(|error| error.for_caller(&caller, &tenant, &domain))?;
    page("revisions", revisions, &query, |info| info.position.0)
}

/// Those that the caller may ask about.
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let mut domains = app.host(&tenant).domains(&tenant).await?;
    domains.retain(|info| caller.may_publish(&subject::catalog(&tenant, &info.domain)));
    domains.sort_unstable_by(|a, b| a.domain.cmp(&b.domain));
    page("domains", domains, &query, |info| info.domain.clone())
}

pub(crate) async fn one(State(app): State<Arc<App>>, caller: Caller, segments: Segments) -> Result<Response, Problem> {
    let (tenant, domain) = (segments.tenant()?, segments.domain()?);
    let domains = app.host(&tenant).domains(&tenant).await?;
    if let Some(info) = domains.iter().find(|info| info.domain == domain) {
        return Ok(json(StatusCode::OK, info));
    }
    let known = domains.into_iter().map(|info| info.domain).collect();
    let unknown = ReadError::UnknownDomain { tenant: tenant.clone(), domain: domain.clone(), known };
    Err(unknown.for_caller(&caller, &tenant, &domain).into())
}

fn gate(query: &Query, actor: Option<String>) -> Result<GateOptions, Problem> {
    let replay = match query.one("replay")? {
        None => ReplayScope::default(),
        Some("all") => ReplayScope::All,
        Some(text) => match text.parse() {
            Ok(events_max) => ReplayScope::Events(events_max),
            Err(_) => {
                let rule = "\"all\", or a number of events beyond which a sample is taken, would be right";
                return Err(bad_parameter("replay", &format!("is {text:?}; {rule}")));
            }
        },
    };
    let (dry_run, accept_changes) = (query.flag("dry_run")?, query.flag("accept_changes")?);
    let accept_set_aside = query.flag("accept_set_aside")?;
    Ok(GateOptions { actor, dry_run, accept_changes, accept_set_aside, replay, progress: None })
}
