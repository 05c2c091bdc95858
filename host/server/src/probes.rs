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
    let mut health = app.host.health();
    if let Some(cluster) = &app.cluster
        && !app.host.is_leading()
    {
        // What it takes it hands to the owner.
        health.reason = cluster.problem();
        health.writable = health.reason.is_none();
    }
    if health.writable {
        return Ok(json(StatusCode::OK, &health));
    }
    let reason = health.reason.unwrap_or_else(|| "no reason is known".to_owned());
    Err(Problem::new(&kinds::NOT_READY, format!("the host takes no commands: {reason}")).with("reason", reason))
}

/// The host gives up the journal that it has in common with others, and does not take it again. Answers once another may own it.
pub(crate) async fn drain(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Some(cluster) = &app.cluster else {
        let detail = "no other host could take over: this one keeps its journal in its own folder";
        return Err(Problem::new(&kinds::READ_ONLY, detail));
    };
    cluster.drain().await;
    Ok(json(StatusCode::OK, &serde_json::json!({ "drained": true })))
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let nats = app.nats.get().map(|counts| counts.metrics(&app.host)).unwrap_or_default();
    ([(CONTENT_TYPE, PROMETHEUS_TEXT)], app.host.metrics() + &nats).into_response()
}
