//! For those who watch over the host: is it up, does it take commands, what does it count.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::json::json;
use crate::kinds;
use crate::problem::Problem;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process answers; nothing more is said.
pub(crate) async fn healthz() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "up": true }))
}

pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let health = app.host.health();
    if health.writable {
        return Ok(json(StatusCode::OK, &health));
    }
    let reason = health.reason.unwrap_or_else(|| "no reason is known".to_owned());
    Err(Problem::new(&kinds::NOT_READY, format!("the host takes no commands: {reason}")).with("reason", reason))
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let nats = app.nats.get().map(|counts| counts.metrics(&app.host)).unwrap_or_default();
    ([(CONTENT_TYPE, PROMETHEUS_TEXT)], app.host.metrics() + &nats).into_response()
}
