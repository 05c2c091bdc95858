//! The route table: which path and method reach which handler, and which permission each needs. Any other request is
//! refused with the methods or paths that exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{Method, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use super::forward::forward;
use super::{
    access_keys, batch, commands, deployments, drain, effects, events, history, metrics, parked, probes, state,
    tenants, translation, views,
};
use crate::access::{RoutePermission, RouteRequirements, authenticated, permitted, route_permission};
use crate::app::App;
use crate::cluster::ForwardWaits;
use crate::wire::content_type::BodyType;
use crate::wire::drain_body::drain_unread;
use crate::wire::http_status;
use crate::wire::paging;
use crate::wire::problem::Problem;
use crate::wire::query::Query;

/// One method of one path.
struct Row {
    path: &'static str,
    method: &'static str,
    requirements: RouteRequirements,
    handler: MethodRouter<Arc<App>>,
}

impl Row {
    /// Sets the query parameters that the route takes. Others are refused.
    fn with(mut self, parameters: &'static [&'static str]) -> Self {
        self.requirements.parameters = parameters;
        self
    }

    fn takes(mut self, body: BodyType) -> Self {
        self.requirements.body = body;
        self
    }
}

fn row(path: &'static str, method: &'static str, permission: RoutePermission, handler: MethodRouter<Arc<App>>) -> Row {
    Row { path, method, requirements: RouteRequirements { permission, parameters: &[], body: BodyType::Json }, handler }
}

pub(super) const COMMAND: &str = "/v1/{tenant}/{domain}/{aggregate}/{id}/{command}";

/// A batch forwards its lines one by one, so the request as a whole is not forwarded.
pub(super) const BATCH: &str = "/v1/{tenant}/commands";
const DRAIN: &str = "/v1/drain";
const RETRY_PARKED: &str = "/v1/{tenant}/parked/retry";
const DISCARD_PARKED: &str = "/v1/{tenant}/parked/discard";
/// Requests that are never forwarded, since they act on the host that receives them: each host has its own views.
const LOCAL: [&str; 3] = [DRAIN, RETRY_PARKED, DISCARD_PARKED];
/// Probes for monitoring, which needs no token.
const PROBES: &str = "GET /healthz, GET /readyz";

fn rows() -> Vec<Row> {
    let rows = [
        vec![
            row(COMMAND, "POST", route_permission::command, post(commands::submit)),
            row(BATCH, "POST", route_permission::commands, post(batch::submit))
                .with(batch::PARAMETERS)
                .takes(BodyType::Ndjson),
            row("/v1/{tenant}/{domain}/{aggregate}/{id}", "GET", route_permission::state, get(state::get))
                .with(state::PARAMETERS),
            row(
                "/v1/{tenant}/{domain}/{aggregate}/{id}/events",
                "GET",
                route_permission::history,
                get(history::stream),
            )
            .with(history::PARAMETERS),
            row("/v1/{tenant}/events", "GET", route_permission::events, get(events::stream)).with(events::PARAMETERS),
            row("/v1/{tenant}/{domain}/views/{projection}", "GET", route_permission::view, get(views::list))
                .with(views::PAGE_PARAMETERS),
            row("/v1/{tenant}/{domain}/views/{projection}/{key}", "GET", route_permission::view, get(views::one))
                .with(views::DOCUMENT_PARAMETERS),
            row("/v1/{tenant}/{domain}/effects", "GET", route_permission::effects, get(effects::list))
                .with(effects::PARAMETERS),
        ],
        domain_rows(),
        host_rows(),
    ];
    rows.into_iter().flatten().collect()
}

fn domain_rows() -> Vec<Row> {
    vec![
        row("/v1/{tenant}/domains", "GET", route_permission::catalogs, get(deployments::list)).with(paging::PARAMETERS),
        row("/v1/{tenant}/domains/{domain}", "GET", route_permission::catalog, get(deployments::one)),
        row("/v1/{tenant}/domains/{domain}", "PUT", route_permission::deploy, put(deployments::deploy))
            .with(deployments::DEPLOY_PARAMETERS)
            .takes(BodyType::Wasm),
        row("/v1/{tenant}/domains", "PUT", route_permission::deploy_any, put(deployments::deploy_any))
            .with(deployments::DEPLOY_PARAMETERS)
            .takes(BodyType::Wasm),
        row(
            "/v1/{tenant}/domains/{domain}/rollback",
            "POST",
            route_permission::roll_back,
            post(deployments::roll_back),
        )
        .with(deployments::ROLLBACK_PARAMETERS),
        row("/v1/{tenant}/domains/{domain}/revisions", "GET", route_permission::catalog, get(deployments::revisions))
            .with(paging::PARAMETERS),
        row("/v1/{tenant}/parked", "GET", route_permission::show_parked, get(parked::list))
            .with(parked::LIST_PARAMETERS),
        row("/v1/{tenant}/parked/{position}", "GET", route_permission::show_parked, get(parked::one))
            .with(parked::ONE_PARAMETERS),
        row(RETRY_PARKED, "POST", route_permission::retry_parked, post(parked::retry)).with(parked::CHANGE_PARAMETERS),
        row(DISCARD_PARKED, "POST", route_permission::discard_parked, post(parked::discard))
            .with(parked::CHANGE_PARAMETERS),
        row("/v1/{tenant}/bridge", "GET", route_permission::show_bridge, get(translation::show)),
        row("/v1/{tenant}/bridge", "PUT", route_permission::set_bridge, put(translation::set)),
    ]
}

fn host_rows() -> Vec<Row> {
    vec![
        row("/v1/tenants", "GET", route_permission::list_tenants, get(tenants::list)).with(paging::PARAMETERS),
        row("/v1/tenants/{tenant}", "GET", route_permission::show_tenant, get(tenants::one)),
        row("/v1/tenants/{tenant}", "PUT", route_permission::add_tenant, put(tenants::add)),
        row("/v1/tenants/{tenant}", "DELETE", route_permission::remove_tenant, delete(tenants::remove))
            .with(tenants::REMOVE_PARAMETERS),
        row("/v1/tenants/{tenant}/facts", "GET", route_permission::export_tenant, get(tenants::facts)),
        row(
            "/v1/tenants/{tenant}/components/{revision}",
            "GET",
            route_permission::export_tenant,
            get(tenants::component),
        ),
        row("/v1/tenants/{tenant}/limits", "PATCH", route_permission::limit_tenant, patch(tenants::limits)),
        row("/v1/tenants/{tenant}/suspend", "POST", route_permission::suspend_tenant, post(tenants::suspend)),
        row("/v1/tenants/{tenant}/resume", "POST", route_permission::resume_tenant, post(tenants::resume)),
        row("/v1/keys", "GET", route_permission::list_keys, get(access_keys::list)).with(paging::PARAMETERS),
        row("/v1/keys", "POST", route_permission::add_key, post(access_keys::add)),
        row("/v1/keys/{key}", "DELETE", route_permission::revoke_key, delete(access_keys::revoke)),
        row(DRAIN, "POST", route_permission::drain, post(drain::drain)),
        row("/metrics", "GET", route_permission::metrics, get(metrics::metrics)),
    ]
}

/// The paths of all routes but the probes.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    rows().into_iter().map(|row| row.path)
}

pub(crate) fn router(app: Arc<App>) -> Router {
    let known = || from_fn_with_state(Arc::clone(&app.authenticator), authenticated);
    let mut described = Vec::new();
    let mut paths: BTreeMap<&str, (Vec<&str>, MethodRouter<Arc<App>>)> = BTreeMap::new();
    for Row { path, method, requirements, handler } in rows() {
        described.push(format!("{method} {path}"));
        let mut guarded = handler.layer(from_fn_with_state((Arc::clone(&app.authenticator), requirements), permitted));
        if method != "GET" && path != BATCH && !LOCAL.contains(&path) {
            let waits = if path == COMMAND { ForwardWaits::COMMAND } else { ForwardWaits::ACT };
            guarded = guarded.layer(from_fn_with_state((Arc::clone(&app), requirements.permission, waits), forward));
        }
        let (methods, all) = paths.remove(path).unwrap_or_default();
        paths.insert(path, ([methods, vec![method]].concat(), all.merge(guarded)));
    }
    let mut router = Router::new();
    for (path, (methods, handler)) in paths {
        let methods: Arc<str> = methods.join(", ").into();
        let other = move |method: Method| other_method(method, Arc::clone(&methods));
        router = router.route(path, handler.fallback(other.layer(known())));
    }
    for (path, handler) in [("/healthz", get(probes::healthz)), ("/readyz", get(probes::readyz))] {
        let handler = handler.layer(from_fn(without_parameters));
        router = router.route(path, handler.fallback(|method| other_method(method, "GET".into())));
    }
    let there_are: Arc<str> = format!("{}, {PROBES}", described.join(", ")).into();
    let unknown = move |method: Method, uri: Uri| unknown_route(method, uri, Arc::clone(&there_are));
    router.fallback(unknown.layer(known())).layer(from_fn(drain_unread)).with_state(app)
}

async fn without_parameters(request: Request, next: Next) -> Result<Response, Problem> {
    Query::parse(request.uri().query(), &[])?;
    Ok(next.run(request).await)
}

async fn other_method(method: Method, methods: Arc<str>) -> Problem {
    let detail = format!("this path does not take {method}; it takes {methods}");
    Problem::new(&http_status::METHOD_NOT_ALLOWED, detail).with("method", method.as_str()).with("expected", &*methods)
}

async fn unknown_route(method: Method, uri: Uri, there_are: Arc<str>) -> Problem {
    let detail = format!("no route matches {method} {}; there are: {there_are}", uri.path());
    Problem::new(&http_status::UNKNOWN_ROUTE, detail).with("path", uri.path())
}

#[cfg(test)]
mod tests {
    use polder_core::is_reserved_name;

    use super::*;

    /// No two paths match the same request: where they could, a name of one would have to be a reserved word of the
    /// other.
    #[test]
    fn words_that_could_be_taken_for_names_are_reserved() {
        let segments = |path: &'static str| path.split('/').collect::<Vec<_>>();
        let is_name = |part: &str| part.starts_with('{');
        let mut found = 0;
        for (one, other) in paths().flat_map(|one| paths().map(move |other| (segments(one), segments(other)))) {
            // No tenant has the name of a route, so `tenants` and the like cannot be mistaken for one.
            let is_other_tenant = |(a, b): (&&str, &&str)| a != b && (*a == "{tenant}" || *b == "{tenant}");
            // A position is a number, so a word cannot be mistaken for one.
            let is_number = |part: &str| part == "{position}";
            let meets = |(a, b): (&&str, &&str)| a == b || is_name(a) && !is_number(a) || is_name(b) && !is_number(b);
            if one.len() != other.len()
                || one.iter().zip(&other).any(is_other_tenant)
                || !one.iter().zip(&other).all(meets)
                || one.iter().zip(&other).all(|(a, b)| is_name(a) == is_name(b))
            {
                continue;
            }
            let is_reserved =
                |(a, b): (&&str, &&str)| is_name(a) != is_name(b) && (is_reserved_name(a) || is_reserved_name(b));
            assert!(one.iter().zip(&other).any(is_reserved), "{one:?} and {other:?} can be the same request");
            found += 1;
        }
        assert!(found > 2, "{found}");
    }
}
