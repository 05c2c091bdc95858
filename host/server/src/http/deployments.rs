//! `/v1/{tenant}/domains`: deploys domains, rolls them back, and lists them with their revisions.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use http_body::Body as _;
use polder_core::{DomainName, TenantName, subject};
use polder_engine::{
    COMPONENT_BYTES_MAX, CheckOptions, DeployError, DeployOptions, Host, ReadError, ReplayScope, RollBackOptions,
    UploadError, Uploaded,
};
use tokio::sync::watch;

use super::deployment_progress;
use crate::access::{Caller, Hints, Permission};
use crate::app::App;
use crate::wire::body;
use crate::wire::paging::{Page, cut};
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::query::{Query, bad_parameter};
use crate::wire::response_json::json_held;

pub(super) const DEPLOY_PARAMETERS: &[&str] =
    &["dry_run", "accept_changes", "accept_set_aside", "replay", "release_quarantine"];
pub(super) const ROLLBACK_PARAMETERS: &[&str] = &["dry_run", "accept_changes", "accept_set_aside", "replay", "to"];

/// `PUT /v1/{tenant}/domains/{domain}`: the body is a component, or a core module as rustc writes it.
pub(super) async fn deploy(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    put(&app, &caller, path.tenant()?, Some(path.domain()?), query, request).await
}

/// `PUT /v1/{tenant}/domains`: deploys the component to the domain that it describes.
pub(super) async fn deploy_any(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    put(&app, &caller, path.tenant()?, None, query, request).await
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
    let host = app.host(&tenant).clone();
    let check = check_options(&query, caller.actor(&parts.headers, tenant.as_str())?)?;
    let release_quarantine = query.flag("release_quarantine")?;
    let uploaded = upload(&host, &tenant, sent).await?;
    let options = DeployOptions { check, domain, release_quarantine };
    let (caller, closing) = (caller.clone(), app.closing.clone());
    deployment_progress::respond(&parts.headers, |progress| async move {
        let described = until_closed(closing, host.deployments().described(&tenant, uploaded, &options)).await?;
        let domain = described.domain().clone();
        if options.domain.is_none() {
            caller.check(&Permission::Publish(subject::admin(&tenant, "deploy", &domain)))?;
        }
        let check = CheckOptions { progress, ..options.check };
        let options = DeployOptions { check, domain: options.domain.or(Some(domain)), release_quarantine };
        Ok(host.deployments().deploy_described(&tenant, described, options).await?)
    })
    .await
}

/// Stores the body in a file. An unfinished file is removed when the client disconnects.
async fn upload(host: &Host, tenant: &TenantName, mut sent: Body) -> Result<Uploaded, Problem> {
    let mut upload = host.deployments().begin_upload(tenant)?;
    if sent.size_hint().lower() > COMPONENT_BYTES_MAX as u64 {
        return Err(UploadError::TooLarge.into());
    }
    while let Some(piece) = body::next(&mut sent).await? {
        upload.write(&piece).await?;
    }
    Ok(upload.finish().await?)
}

/// Ends compiling when the server stops. The steps after compiling run to their end.
async fn until_closed<T>(
    mut closing: watch::Receiver<bool>,
    work: impl Future<Output = Result<T, DeployError>>,
) -> Result<T, DeployError> {
    tokio::select! {
        done = work => done,
        _ = closing.wait_for(|closing| *closing) => Err(DeployError::ShuttingDown),
    }
}

/// `POST /v1/{tenant}/domains/{domain}/rollback`.
pub(super) async fn roll_back(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, domain) = (path.tenant()?, path.domain()?);
    let check = check_options(&query, caller.actor(&headers, tenant.as_str())?)?;
    let (host, options) =
        (app.host(&tenant).clone(), RollBackOptions { check, to: query.one("to")?.map(str::to_owned) });
    deployment_progress::respond(&headers, |progress| async move {
        let check = CheckOptions { progress, ..options.check };
        let rolled_back = host.deployments().roll_back(&tenant, &domain, RollBackOptions { check, ..options }).await;
        Ok(rolled_back.map_err(|error| error.for_caller(&caller, &tenant, &domain))?)
    })
    .await
}

/// `GET /v1/{tenant}/domains/{domain}/revisions`.
pub(super) async fn revisions(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let (tenant, domain) = (path.tenant()?, path.domain()?);
    let revisions = app.host(&tenant).deployments().revisions(&tenant, &domain).await;
    let revisions = revisions.map_err(|error| error.for_caller(&caller, &tenant, &domain))?;
    let page = cut(revisions.items, &query, |info| info.position.0)?;
    Ok(page.answer("revisions", revisions.reserved))
}

/// Lists the domains that the caller may read.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    query: Query,
) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let mut names = app.host(&tenant).queries().domain_names(&tenant)?;
    names.retain(|domain| caller.may_publish(&subject::catalog(&tenant, domain)));
    names.sort_unstable();
    // Only the descriptors of this page are read.
    let Page { items: names, next } = cut(names, &query, DomainName::clone)?;
    let domains = app.host(&tenant).deployments().domains_named(&tenant, names).await?;
    Ok(Page { items: domains.items, next }.answer("domains", domains.reserved))
}

pub(super) async fn one(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
) -> Result<Response, Problem> {
    let (tenant, domain) = (path.tenant()?, path.domain()?);
    let mut found = app.host(&tenant).deployments().domains_named(&tenant, vec![domain.clone()]).await?;
    if let Some(info) = found.pop() {
        return Ok(json_held(StatusCode::OK, &info, found.reserved));
    }
    let known = app.host(&tenant).queries().domain_names(&tenant)?;
    let unknown = ReadError::UnknownDomain { tenant: tenant.clone(), domain: domain.clone(), known };
    Err(unknown.for_caller(&caller, &tenant, &domain).into())
}

fn check_options(query: &Query, actor: Option<String>) -> Result<CheckOptions, Problem> {
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
    Ok(CheckOptions { actor, dry_run, accept_changes, accept_set_aside, replay, progress: None })
}
