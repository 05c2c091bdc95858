//! Which path and method reach which handler. Everything else is answered with what would have been right.

use std::sync::Arc;

use axum::Router;
use axum::http::{Method, Uri};
use axum::routing::{MethodRouter, get, patch, post, put};

use crate::app::App;
use crate::kinds;
use crate::problem::Problem;
use crate::{commands, deployments, effects, events, history, probes, state, tenants, views};

const ROUTES: &str = "PUT or GET /v1/{tenant}/domains/{domain}, GET /v1/{tenant}/domains, \
    POST /v1/{tenant}/{domain}/{aggregate}/{id}/{command}, GET /v1/{tenant}/{domain}/{aggregate}/{id}, \
    GET /v1/{tenant}/{domain}/{aggregate}/{id}/events, GET /v1/{tenant}/events, \
    GET /v1/{tenant}/{domain}/views/{projection}, GET /v1/{tenant}/{domain}/views/{projection}/{key}, \
    GET /v1/{tenant}/{domain}/effects, GET /v1/tenants, PUT or GET /v1/tenants/{tenant}, \
    PATCH /v1/tenants/{tenant}/limits, POST /v1/tenants/{tenant}/suspend, POST /v1/tenants/{tenant}/resume, GET /healthz, GET /readyz, GET /metrics";

pub(crate) fn router(app: Arc<App>) -> Router {
    let routes: [(&str, &'static str, MethodRouter<Arc<App>>); 17] = [
        ("/v1/{tenant}/{domain}/{aggregate}/{id}/{command}", "POST", post(commands::submit)),
        ("/v1/{tenant}/domains", "GET", get(deployments::list)),
        ("/v1/{tenant}/domains/{domain}", "GET, PUT", put(deployments::deploy).get(deployments::one)),
        ("/v1/{tenant}/events", "GET", get(events::stream)),
        ("/v1/{tenant}/{domain}/effects", "GET", get(effects::list)),
        ("/v1/{tenant}/{domain}/views/{projection}", "GET", get(views::list)),
        ("/v1/{tenant}/{domain}/views/{projection}/{key}", "GET", get(views::one)),
        ("/v1/{tenant}/{domain}/{aggregate}/{id}", "GET", get(state::get)),
        ("/v1/{tenant}/{domain}/{aggregate}/{id}/events", "GET", get(history::stream)),
        ("/v1/tenants", "GET", get(tenants::list)),
        ("/v1/tenants/{tenant}", "GET, PUT", put(tenants::add).get(tenants::one)),
        ("/v1/tenants/{tenant}/limits", "PATCH", patch(tenants::limits)),
        ("/v1/tenants/{tenant}/suspend", "POST", post(tenants::suspend)),
        ("/v1/tenants/{tenant}/resume", "POST", post(tenants::resume)),
        ("/healthz", "GET", get(probes::healthz)),
        ("/readyz", "GET", get(probes::readyz)),
        ("/metrics", "GET", get(probes::metrics)),
    ];
    let mut router = Router::new();
    for (path, methods, handler) in routes {
        router = router.route(path, handler.fallback(move |method: Method| other_method(method, methods)));
    }
    router.fallback(unknown_route).with_state(app)
}

async fn other_method(method: Method, methods: &'static str) -> Problem {
    let detail = format!("this path does not take {method}; it takes {methods}");
    Problem::new(&kinds::METHOD_NOT_ALLOWED, detail).with("method", method.as_str()).with("expected", methods)
}

async fn unknown_route(method: Method, uri: Uri) -> Problem {
    let detail = format!("nothing lives at {method} {}; there are: {ROUTES}", uri.path());
    Problem::new(&kinds::UNKNOWN_ROUTE, detail).with("path", uri.path())
}
