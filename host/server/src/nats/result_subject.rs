//! Answers that arrive on a subject of their own: the reply only acknowledges the request, and names that subject.

use polder_core::{CorrelationId, TenantName};
use polder_nats::ReplyTo;
use polder_nats::service::{Reply, Request};
use serde::Serialize;

use super::reply;
use crate::wire::headers::{self, bad_header};
use crate::wire::problem::Problem;

pub(super) const CORRELATION_ID: &str = "correlation-id";

/// The request is valid and is being answered.
#[derive(Serialize)]
struct Acknowledgement<'a> {
    status: &'static str,
    correlation_id: &'a CorrelationId,
    /// The subject on which the result appears.
    result_subject: &'a str,
}

/// The reply to a request whose result follows on `result`.
pub(super) fn accepted(correlation_id: &CorrelationId, result: &ReplyTo) -> Reply {
    reply::good(&Acknowledgement { status: "accepted", correlation_id, result_subject: result.as_str() })
}

/// Returns the correlation id, generated if the caller gave none, and the subject that ends with it.
pub(super) fn result_for(tenant: &TenantName, request: &Request) -> Result<(CorrelationId, ReplyTo), Problem> {
    let given = headers::correlation_id(request)?;
    let id =
        given.unwrap_or_else(|| CorrelationId::new(&uuid::Uuid::new_v4().to_string()).expect("a UUID is a good id"));
    match ReplyTo::result(tenant, &id) {
        Some(result) => Ok((id, result)),
        None => {
            let rule = "the answer's subject ends with it, so it can have no '.', '*' or '>'";
            Err(bad_header(CORRELATION_ID, &format!("is {:?}; {rule}", id.as_str())))
        }
    }
}
