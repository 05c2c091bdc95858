//! `POST /v1/{tenant}/{domain}/{aggregate}/{id}/{command}`: hands a command to the host. The path on which speed matters most.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use polder_core::{AggregateId, AggregateName, Command, CommandName, CommandStatus, DomainName, TenantName};

use crate::access::{Caller, Hints};
use crate::app::App;
use crate::body;
use crate::headers::{self, Headers};
use crate::json::json;
use crate::problem::Problem;
use crate::segments::Segments;

/// What an empty body means: a command without particulars.
const NO_PAYLOAD: Bytes = Bytes::from_static(b"{}");

/// Where a command goes, and which one it is.
pub(crate) struct Address {
    pub(crate) tenant: TenantName,
    pub(crate) domain: DomainName,
    pub(crate) aggregate: AggregateName,
    pub(crate) aggregate_id: AggregateId,
    pub(crate) name: CommandName,
}

pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    request: Request,
) -> Result<Response, Problem> {
    let address = Address {
        tenant: segments.tenant()?,
        domain: segments.domain()?,
        aggregate: segments.aggregate()?,
        aggregate_id: segments.aggregate_id()?,
        name: segments.command()?,
    };
    let bytes_max = app.host.limits(&address.tenant)?.command_bytes_max;
    let (parts, sent) = request.into_parts();
    let mut command = addressed(address, &caller, &parts.headers)?;
    let payload = body::read(sent, bytes_max, "command_bytes_max").await?;
    if !payload.is_empty() {
        command.payload = payload;
    }
    let (tenant, domain) = (command.tenant.clone(), command.domain.clone());
    let acknowledged = app.host.submit(command).await;
    let acknowledgement = acknowledged.map_err(|error| error.for_caller(&caller, &tenant, &domain))?;
    let status = match acknowledgement.status {
        CommandStatus::Accepted => StatusCode::OK,
        CommandStatus::Pending => StatusCode::ACCEPTED,
        CommandStatus::Rejected => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Ok(json(status, &acknowledgement))
}

/// With what its headers say of it, and without particulars.
pub(crate) fn addressed(address: Address, caller: &Caller, headers: &impl Headers) -> Result<Command, Problem> {
    Ok(Command {
        actor: caller.actor(headers, address.tenant.as_str())?,
        id: headers::command_id(headers)?,
        expected_sequence: headers::expected_sequence(headers)?,
        correlation_id: headers::correlation_id(headers)?,
        causation_id: headers::causation_id(headers)?,
        trail: headers::trail(headers)?,
        tenant: address.tenant,
        domain: address.domain,
        aggregate: address.aggregate,
        aggregate_id: address.aggregate_id,
        name: address.name,
        payload: NO_PAYLOAD,
    })
}
