//! Which path and method reach which handler, and what whoever asks must be permitted. Everything else is answered with what would
//! have been right.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::http::{Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{MethodRouter, delete, get, patch, post, put};

use crate::access::{Demand, authenticated, demand, permitted};
use crate::app::App;
use crate::cluster::forward;
use crate::kinds;
use crate::lingering::linger;
use crate::problem::Problem;
use crate::{batch, bridge, commands, deployments, effects, events, history, keys, probes, state, tenants, views};

type Row = (&'static str, &'static str, Demand, MethodRouter<Arc<App>>);

pub(crate) const COMMAND: &str = "/v1/{tenant}/{domain}/{aggregate}/{id}/{command}";

/// Hands on by itself what another host has to do, line by line.
pub(crate) const BATCH: &str = "/v1/{tenant}/commands";
/// To be done by the very host that is asked.
const DRAIN: &str = "/v1/drain";
/// For those who watch over the host: they have no token.
const PROBES: &str = "GET /healthz, GET /readyz";

fn rows() -> Vec<Row> {
    vec![
        (COMMAND, "POST", demand::command, post(commands::submit)),
        (BATCH, "POST", demand::commands, post(batch::submit)),
        ("/v1/{tenant}/{domain}/{aggregate}/{id}", "GET", demand::state, get(state::get)),
        ("/v1/{tenant}/{domain}/{aggregate}/{id}/events", "GET", demand::history, get(history::stream)),
        ("/v1/{tenant}/events", "GET", demand::events, get(events::stream)),
        ("/v1/{tenant}/{domain}/views/{projection}", "GET", demand::view, get(views::list)),
        ("/v1/{tenant}/{domain}/views/{projection}/{key}", "GET", demand::view, get(views::one)),
        ("/v1/{tenant}/{domain}/effects", "GET", demand::effects, get(effects::list)),
        ("/v1/{tenant}/domains", "GET", demand::catalogs, get(deployments::list)),
        ("/v1/{tenant}/domains/{domain}", "GET", demand::catalog, get(deployments::one)),
        ("/v1/{tenant}/domains/{domain}", "PUT", demand::deploy, put(deployments::deploy)),
        ("/v1/{tenant}/domains", "PUT", demand::deploy_any, put(deployments::deploy_any)),
        ("/v1/{tenant}/domains/{domain}/rollback", "POST", demand::roll_back, post(deployments::roll_back)),
        ("/v1/{tenant}/domains/{domain}/revisions", "GET", demand::catalog, get(deployments::revisions)),
        ("/v1/{tenant}/bridge", "GET", demand::show_bridge, get(bridge::show)),
        ("/v1/{tenant}/bridge", "PUT", demand::set_bridge, put(bridge::set)),
        ("/v1/tenants", "GET", demand::list_tenants, get(tenants::list)),
        ("/v1/tenants/{tenant}", "GET", demand::show_tenant, get(tenants::one)),
        ("/v1/tenants/{tenant}", "PUT", demand::add_tenant, put(tenants::add)),
        ("/v1/tenants/{tenant}", "DELETE", demand::remove_tenant, delete(tenants::remove)),
        ("/v1/tenants/{tenant}/facts", "GET", demand::export_tenant, get(tenants::facts)),
        ("/v1/tenants/{tenant}/components/{revision}", "GET", demand::export_tenant, get(tenants::component)),
        ("/v1/tenants/{tenant}/limits", "PATCH", demand::limit_tenant, patch(tenants::limits)),
        ("/v1/tenants/{tenant}/suspend", "POST", demand::suspend_tenant, post(tenants::suspend)),
        ("/v1/tenants/{tenant}/resume", "POST", demand::resume_tenant, post(tenants::resume)),
        ("/v1/keys", "GET", demand::list_keys, get(keys::list)),
        ("/v1/keys", "POST", demand::add_key, post(keys::add)),
        ("/v1/keys/{key}", "DELETE", demand::revoke_key, delete(keys::revoke)),
        (DRAIN, "POST", demand::drain, post(probes::drain)),
        ("/metrics", "GET", demand::metrics, get(probes::metrics)),
    ]
}

/// Without those of the probes.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    rows().into_iter().map(|(path, ..)| path)
}

pub(crate) fn router(app: Arc<App>) -> Router {
    let known = || from_fn_with_state(Arc::clone(&app), authenticated);
    let mut described = Vec::new();
    let mut paths: BTreeMap<&str, (Vec<&str>, MethodRouter<Arc<App>>)> = BTreeMap::new();
    for (path, method, demand, handler) in rows() {
        described.push(format!("{method} {path}"));
        let mut gated = handler.layer(from_fn_with_state((Arc::clone(&app), demand), permitted));
        if method != "GET" && path != DRAIN && path != BATCH {
            gated = gated.layer(from_fn_with_state((Arc::clone(&app), demand), forward));
        }
        let (methods, all) = paths.remove(path).unwrap_or_default();
        paths.insert(path, ([methods, vec![method]].concat(), all.merge(gated)));
    }
    let mut router = Router::new();
    for (path, (methods, handler)) in paths {
        let methods: Arc<str> = methods.join(", ").into();
        let other = move |method: Method| other_method(method, Arc::clone(&methods));
        router = router.route(path, handler.fallback(other.layer(known())));
    }
    for (path, handler) in [("/healthz", get(probes::healthz)), ("/readyz", get(probes::readyz))] {
        router = router.route(path, handler.fallback(|method| other_method(method, "GET".into())));
    }
    let there_are: Arc<str> = format!("{}, {PROBES}", described.join(", ")).into();
    let unknown = move |method: Method, uri: Uri| unknown_route(method, uri, Arc::clone(&there_are));
    router.fallback(unknown.layer(known())).layer(from_fn(linger)).with_state(app)
}

async fn other_method(method: Method, methods: Arc<str>) -> Problem {
    let detail = format!("this path does not take {method}; it takes {methods}");
    Problem::new(&kinds::METHOD_NOT_ALLOWED, detail).with("method", method.as_str()).with("expected", &*methods)
}

async fn unknown_route(method: Method, uri: Uri, there_are: Arc<str>) -> Problem {
    let detail = format!("nothing lives at {method} {}; there are: {there_are}", uri.path());
    Problem::new(&kinds::UNKNOWN_ROUTE, detail).with("path", uri.path())
}
