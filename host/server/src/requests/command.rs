//! A command from its address and its headers, the same over HTTP and NATS.

use bytes::Bytes;
use polder_core::Command;

use crate::access::Caller;
use crate::wire::address::CommandAddress;
use crate::wire::headers::{self, Headers};
use crate::wire::problem::Problem;

/// The payload of a command whose body is empty.
pub(crate) const NO_PAYLOAD: Bytes = Bytes::from_static(b"{}");

/// Builds a command from its address and headers, with an empty payload.
pub(crate) fn without_payload(
    address: CommandAddress,
    caller: &Caller,
    headers: &impl Headers,
) -> Result<Command, Problem> {
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
