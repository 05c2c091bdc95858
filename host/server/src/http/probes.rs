//! Probes for monitoring, which need no token: `GET /healthz` and `GET /readyz`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use polder_engine::Degraded;
use serde::Serialize;

use crate::app::App;
use crate::partitions::Partition;
use crate::wire::http_status;
use crate::wire::problem::{Problem, without_paths};
use crate::wire::response_json::json;

/// Answers as long as the process runs. Reveals nothing else.
pub(super) async fn healthz() -> Response {
    json(StatusCode::OK, &serde_json::json!({ "up": true }))
}

pub(super) async fn readyz(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let problems: Vec<String> = app.partitions.all().iter().filter_map(|partition| problem(&app, partition)).collect();
    if problems.is_empty() {
        return Ok(json(StatusCode::OK, &ready(&app)));
    }
    let reason = without_paths(&problems.join("; "));
    Err(Problem::new(&http_status::NOT_READY, format!("the host takes no commands: {reason}")).with("reason", reason))
}

/// The host takes commands, though some tenants or domains may be out of service. The probe needs no token: once there
/// are access keys it reports only how many are out of service, and `polder tenant show` reports which.
fn ready(app: &App) -> Ready {
    let degraded: Vec<_> = app.partitions.all().iter().flat_map(|partition| partition.host.health().degraded).collect();
    let count = (!degraded.is_empty()).then_some(degraded.len());
    let is_open = app.partitions.first_host().access_keys().list().is_empty();
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

/// Why the partition's tenants cannot change anything now. `None` if they can.
fn problem(app: &App, partition: &Partition) -> Option<String> {
    let problem = match &partition.shared {
        // This host forwards commands to the owner, so it is ready if it knows one.
        Some(shared) if !partition.host.is_leading() => shared.problem()?,
        shared => {
            if let Some(problem) = shared.as_ref().and_then(|shared| shared.servers().problem()) {
                return Some(of_journal(app, partition, problem));
            }
            let health = partition.host.health();
            health.reason.or_else(|| (!health.writable).then(|| "no reason is known".to_owned()))?
        }
    };
    Some(of_journal(app, partition, problem))
}

fn of_journal(app: &App, partition: &Partition, problem: String) -> String {
    if app.partitions.is_one() { problem } else { format!("journal {}: {problem}", partition.journal) }
}
