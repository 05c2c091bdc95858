//! Probes for monitoring: liveness, readiness, metrics and drain.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use polder_core::{MemoryBudget, MemoryPurpose};
use polder_engine::{Degraded, joined};
use serde::Serialize;

use crate::app::App;
use crate::http::metrics::merged;
use crate::partitions::Partition;
use crate::wire::http_status;
use crate::wire::problem::{Problem, without_paths};
use crate::wire::response_json::json;

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Answers as long as the process runs. Reveals nothing else.
pub(crate) async fn healthz() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "up": true }))
}

pub(crate) async fn readyz(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let problems: Vec<String> = app.parts.all().iter().filter_map(|part| problem(&app, part)).collect();
    if problems.is_empty() {
        return Ok(json(StatusCode::OK, &ready(&app)));
    }
    let reason = without_paths(&problems.join("; "));
    Err(Problem::new(&http_status::NOT_READY, format!("the host takes no commands: {reason}")).with("reason", reason))
}

/// The host takes commands, though some tenants or domains may be out of service. The probe needs no token: once there
/// are access keys it reports only how many are out of service, and `polder tenant show` reports which.
fn ready(app: &App) -> Ready {
    let degraded: Vec<_> = app.parts.all().iter().flat_map(|part| part.host.health().degraded).collect();
    let count = (!degraded.is_empty()).then_some(degraded.len());
    let is_open = app.parts.first_host().keys().is_empty();
    Ready { writable: true, reason: None, out_of_service: count, degraded: if is_open { degraded } else { Vec::new() } }
}

#[derive(Serialize)]
struct Ready {
    writable: bool,
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out_of_service: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<Degraded>,
}

/// Why the part's tenants cannot change anything now. `None` if they can.
fn problem(app: &App, part: &Partition) -> Option<String> {
    let problem = match &part.cluster {
        // This host forwards commands to the owner, so it is ready if it knows one.
        Some(cluster) if !part.host.is_leading() => cluster.problem()?,
        cluster => {
            if let Some(problem) = cluster.as_ref().and_then(|cluster| cluster.servers().problem()) {
                return Some(of_journal(app, part, problem));
            }
            let health = part.host.health();
            health.reason.or_else(|| (!health.writable).then(|| "no reason is known".to_owned()))?
        }
    };
    Some(of_journal(app, part, problem))
}

fn of_journal(app: &App, part: &Partition, problem: String) -> String {
    if app.parts.is_one() { problem } else { format!("journal {}: {problem}", part.journal) }
}

/// Releases all journals that this host shares with others, and does not take them again. Answers once others may own
/// them.
pub(crate) async fn drain(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Some(company) = app.parts.company().cloned() else {
        let detail = "no other host could take over: this one keeps its journal in its own folder";
        return Err(Problem::new(&http_status::READ_ONLY, detail));
    };
    joined(tokio::task::spawn_blocking(move || company.drain())).await;
    for cluster in app.parts.all().iter().filter_map(|part| part.cluster.as_ref()) {
        cluster.given_up().await;
    }
    Ok(json(StatusCode::OK, &serde_json::json!({ "drained": true })))
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let nats = app.nats.as_ref().map(|counts| counts.metrics(&app.parts)).unwrap_or_default();
    let memory = memory(app.parts.first_host().memory());
    let connections = app.connections.metrics();
    // Parked events are counted in SQLite.
    let text = joined(tokio::task::spawn_blocking(move || host_metrics(&app))).await;
    ([(CONTENT_TYPE, PROMETHEUS_TEXT)], text + &memory + &nats + &connections).into_response()
}

fn host_metrics(app: &App) -> String {
    match app.parts.is_one() {
        true => app.parts.first_host().metrics(),
        false => {
            let texts: Vec<_> = app.parts.all().iter().map(|part| (part.journal, part.host.metrics())).collect();
            merged("journal", &texts)
        }
    }
}

/// The memory metrics. All parts share one budget, so it is shown once.
fn memory(budget: &MemoryBudget) -> String {
    let mut text = format!(
        "# HELP polder_memory_bytes_max Memory budget for the work that callers cause, in bytes.\n\
         # TYPE polder_memory_bytes_max gauge\npolder_memory_bytes_max {}\n\
         # HELP polder_memory_bytes Used part of the memory budget, in bytes by purpose.\n# TYPE polder_memory_bytes gauge\n",
        budget.bytes_max()
    );
    for purpose in MemoryPurpose::ALL {
        text += &format!("polder_memory_bytes{{purpose=\"{purpose}\"}} {}\n", budget.used_by(purpose));
    }
    text
}
