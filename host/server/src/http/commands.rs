//! `POST /v1/{tenant}/{domain}/{aggregate}/{id}/{command}`: submits a command to the host. This is the path where
//! latency matters most.

use std::sync::Arc;

use axum::BoxError;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use http_body::Body;

use crate::access::{Caller, Hints};
use crate::app::App;
use crate::requests::command;
use crate::wire::address::CommandAddress;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;
use crate::wire::response_json::json;
use crate::wire::{body, http_status};

/// The handler. The router has already checked that the caller may send the command.
pub(super) async fn submit(
    State(app): State<Arc<App>>,
    caller: Caller,
    path: PathParameters,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, sent) = request.into_parts();
    answer(&app, &caller, path.command_address()?, &parts.headers, sent).await
}

/// Submits the command in `sent` to `address` and returns the acknowledgement as a response.
pub(super) async fn answer<B>(
    app: &App,
    caller: &Caller,
    address: CommandAddress,
    headers: &HeaderMap,
    sent: B,
) -> Result<Response, Problem>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let bytes_max = app.host(&address.tenant).queries().limits(&address.tenant)?.command_bytes_max;
    let mut command = command::without_payload(address, caller, headers)?;
    let payload = body::read(&app.memory, sent, bytes_max, "command_bytes_max").await?;
    if !payload.is_empty() {
        command.payload = payload;
    }
    let (tenant, domain) = (command.tenant.clone(), command.domain.clone());
    let acknowledged = app.partitions.of(&tenant).submit(command)?.await?;
    let acknowledgement = acknowledged.map_err(|error| error.for_caller(caller, &tenant, &domain))?;
    Ok(json(http_status::of_command(acknowledgement.status), &acknowledgement))
}
