//! `POST /v1/{tenant}/{domain}/{aggregate}/{id}/{command}`: hands a command to the host. The path on which speed matters most.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use polder_core::{Command, CommandStatus};

use crate::access::Caller;
use crate::app::App;
use crate::json::json;
use crate::problem::Problem;
use crate::segments::Segments;
use crate::{body, headers};

/// What an empty body means: a command without particulars.
const NO_PAYLOAD: Bytes = Bytes::from_static(b"{}");

pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    request: Request,
) -> Result<Response, Problem> {
    let tenant = segments.tenant()?;
    let bytes_max = app.host.limits(&tenant)?.command_bytes_max;
    let (parts, sent) = request.into_parts();
    let actor = caller.actor(&parts.headers, tenant.as_str())?;
    let mut command = Command {
        tenant,
        domain: segments.domain()?,
        aggregate: segments.aggregate()?,
        aggregate_id: segments.aggregate_id()?,
        name: segments.command()?,
        payload: NO_PAYLOAD,
        id: headers::command_id(&parts.headers)?,
        expected_sequence: headers::expected_sequence(&parts.headers)?,
        correlation_id: headers::correlation_id(&parts.headers)?,
        causation_id: headers::causation_id(&parts.headers)?,
        actor,
    };
    let payload = body::read(sent, bytes_max, "command_bytes_max").await?;
    if !payload.is_empty() {
        command.payload = payload;
    }
    let acknowledgement = app.host.submit(command).await?;
    let status = match acknowledgement.status {
        CommandStatus::Accepted => StatusCode::OK,
        CommandStatus::Pending => StatusCode::ACCEPTED,
        CommandStatus::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Ok(json(status, &acknowledgement))
}
