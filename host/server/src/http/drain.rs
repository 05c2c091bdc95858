//! `POST /v1/drain`: the host releases its journals, before it is stopped.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use polder_engine::joined;

use crate::app::App;
use crate::wire::http_status;
use crate::wire::problem::Problem;
use crate::wire::response_json::json;

/// Releases all journals that this host shares with others, and does not take them again. Answers once others may own
/// them.
pub(super) async fn drain(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Some(cluster) = app.partitions.cluster().cloned() else {
        let detail = "no other host could take over: this one keeps its journal in its own folder";
        return Err(Problem::new(&http_status::READ_ONLY, detail));
    };
    joined(tokio::task::spawn_blocking(move || cluster.drain())).await;
    for shared in app.partitions.all().iter().filter_map(|partition| partition.shared.as_ref()) {
        shared.released().await;
    }
    Ok(json(StatusCode::OK, &serde_json::json!({ "drained": true })))
}
