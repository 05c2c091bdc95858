//! `POST /v1/{tenant}/{domain}/{aggregate}/{id}/{command}`: submits a command to the host. This is the path where
//! latency matters most.

use std::sync::Arc;

use axum::BoxError;
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use http_body::Body;
use polder_core::{AggregateId, AggregateName, Command, CommandName, DomainName, NameError, TenantName, subject};

use crate::access::{Caller, Hints, Wanted};
use crate::app::App;
use crate::wire::body;
use crate::wire::headers::{self, Headers};
use crate::wire::http_status;
use crate::wire::path::Segments;
use crate::wire::problem::Problem;
use crate::wire::response_json::json;

/// The payload of a command whose body is empty.
pub(crate) const NO_PAYLOAD: Bytes = Bytes::from_static(b"{}");

/// The address of a command: its aggregate and its name.
pub(crate) struct Address {
    pub(crate) tenant: TenantName,
    pub(crate) domain: DomainName,
    pub(crate) aggregate: AggregateName,
    pub(crate) aggregate_id: AggregateId,
    pub(crate) name: CommandName,
}

impl Address {
    /// Reads an address from the parts of a path or a subject, in their order.
    pub(crate) fn new([tenant, domain, aggregate, id, command]: [&str; 5]) -> Result<Self, NameError> {
        Ok(Self {
            tenant: TenantName::new(tenant)?,
            domain: DomainName::new(domain)?,
            aggregate: AggregateName::new(aggregate)?,
            aggregate_id: AggregateId::new(id)?,
            name: CommandName::new(command)?,
        })
    }

    /// The permission that the caller needs to send the command.
    pub(crate) fn wanted(&self) -> Wanted {
        let Self { tenant, domain, aggregate, aggregate_id, name } = self;
        Wanted::Publish(subject::command(tenant, domain, aggregate, aggregate_id, name))
    }
}

/// The handler. The router has already checked that the caller may send the command.
pub(crate) async fn submit(
    State(app): State<Arc<App>>,
    caller: Caller,
    segments: Segments,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, sent) = request.into_parts();
    answer(&app, &caller, segments.address()?, &parts.headers, sent).await
}

/// Submits the command in `sent` to `address` and returns the acknowledgement as a response.
pub(crate) async fn answer<B>(
    app: &App,
    caller: &Caller,
    address: Address,
    headers: &HeaderMap,
    sent: B,
) -> Result<Response, Problem>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let bytes_max = app.host(&address.tenant).limits(&address.tenant)?.command_bytes_max;
    let mut command = addressed(address, caller, headers)?;
    let payload = body::read(&app.memory, sent, bytes_max, "command_bytes_max").await?;
    if !payload.is_empty() {
        command.payload = payload;
    }
    let (tenant, domain) = (command.tenant.clone(), command.domain.clone());
    let acknowledged = app.parts.of(&tenant).submit(command)?.await?;
    let acknowledgement = acknowledged.map_err(|error| error.for_caller(caller, &tenant, &domain))?;
    Ok(json(http_status::of_command(acknowledgement.status), &acknowledgement))
}

/// Builds a command from its address and headers, with an empty payload.
pub(crate) fn addressed(address: Address, caller: &Caller, headers: &impl Headers) -> Result<Command, Problem> {
    Ok(Command {
        actor: caller.actor(headers, address.tenant.as_str())?,
        id: headers::command_id(headers)?,
        expected_sequence: headers::expected_sequence(headers)?,
        correlation_id: headers::correlation_id(headers)?,
        causation_id: headers::causation_id(headers)?,
        trail: headers::trail(headers)?,
        retry_rejected: headers::retry_rejected(headers)?,
        tenant: address.tenant,
        domain: address.domain,
        aggregate: address.aggregate,
        aggregate_id: address.aggregate_id,
        name: address.name,
        payload: NO_PAYLOAD,
    })
}
