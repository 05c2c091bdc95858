//! `/v1/{tenant}/bridge`: the rules that translate the tenant's events for other contexts.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use polder_core::translation::Rule;
use serde::Deserialize;

use crate::access::Caller;
use crate::app::App;
use crate::wire::body;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::request_json::parse;
use crate::wire::response_json::json;

/// The longest list of rules, in bytes. Leaves room for constants.
const RULES_BYTES_MAX: u64 = 256 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewRules {
    rules: Vec<Rule>,
}

pub(super) async fn show(State(app): State<Arc<App>>, path: PathParameters) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    Ok(json(StatusCode::OK, &app.host(&tenant).translations().get(&tenant)?))
}

/// `PUT`: `{"rules": […]}` replaces all rules. An empty list ends the translation.
pub(super) async fn set(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    request: Request,
) -> Result<Response, Problem> {
    let tenant = path.tenant()?;
    let (parts, sent) = request.into_parts();
    let actor = caller.actor(&parts.headers, tenant.as_str())?;
    let sent = body::read(&app.memory, sent, RULES_BYTES_MAX, "rules_bytes_max").await?;
    let right = "{\"rules\": [{\"from\": \"policies.>\", \"to\": \"audit.entry.recorded.v1\"}]} would be right";
    let NewRules { rules } = parse(&sent, "the list of rules", right)?;
    Ok(json(StatusCode::OK, &app.host(&tenant).translations().set_rules(&tenant, rules, actor.as_deref()).await?))
}
