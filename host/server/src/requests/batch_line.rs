//! One line of a batch: a command with its address, and the values that a single command has in headers. The same over
//! HTTP and NATS.
//!
//! ```json
//! {"address":"orders/order/o-1/draft-order","command_id":"row-1","expected_sequence":0,"payload":{"customer":"c-1"}}
//! ```

use std::borrow::Cow;

use bytes::Bytes;
use polder_core::{Command, CommandId, CorrelationId, Sequence, TenantName, Trail};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::command::NO_PAYLOAD;
use crate::access::{Caller, Permission};
use crate::wire::address::CommandAddress;
use crate::wire::headers::{self, Headers};
use crate::wire::http_status;
use crate::wire::problem::Problem;
use crate::wire::request_json;

/// The most bytes of a line without its payload. Addresses, ids and an actor are much shorter.
pub(crate) const LINE_HEAD_BYTES_MAX: u64 = 4 * 1024;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchLine<'line> {
    /// `domain/aggregate/id/command`.
    #[serde(borrow)]
    address: Cow<'line, str>,
    command_id: Option<CommandId>,
    expected_sequence: Option<u64>,
    correlation_id: Option<CorrelationId>,
    causation_id: Option<CorrelationId>,
    #[serde(borrow)]
    actor: Option<Cow<'line, str>>,
    #[serde(borrow)]
    traceparent: Option<Cow<'line, str>>,
    #[serde(default)]
    retry_rejected: bool,
    #[serde(borrow)]
    payload: Option<&'line RawValue>,
}

/// The members that are checked like the header of the same name.
impl Headers for BatchLine<'_> {
    const WHAT: &'static str = "member";

    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
        let value = match name {
            headers::ACTOR => &self.actor,
            headers::TRACEPARENT => &self.traceparent,
            _ => &None,
        };
        value.iter().map(|value| value.as_bytes())
    }
}

/// Reads the command of a line, and checks that the caller may send it. `traceparent` is for a line that has none.
pub(crate) fn read(
    line: &Bytes,
    tenant: &TenantName,
    caller: &Caller,
    traceparent: Option<&str>,
) -> Result<Command, Problem> {
    let fields: BatchLine<'_> = request_json::parse_line(line)?;
    let parts: Vec<&str> = fields.address.split('/').collect();
    let &[domain, aggregate, id, command] = parts.as_slice() else {
        let rule = "\"domain/aggregate/id/command\" would be right";
        return Err(Problem::new(&http_status::BAD_LINE, format!("the address has {} parts; {rule}", parts.len())));
    };
    let address = CommandAddress::new([tenant.as_str(), domain, aggregate, id, command])?;
    caller.check(&Permission::to_send(&address))?;
    let traceparent = headers::traceparent(&fields)?.or(traceparent).map(str::to_owned);
    Ok(Command {
        actor: caller.actor(&fields, tenant.as_str())?,
        id: fields.command_id,
        retry_rejected: fields.retry_rejected,
        expected_sequence: fields.expected_sequence.map(Sequence),
        correlation_id: fields.correlation_id,
        causation_id: fields.causation_id,
        trail: Trail { traceparent, hops: 0 },
        tenant: address.tenant,
        domain: address.domain,
        aggregate: address.aggregate,
        aggregate_id: address.aggregate_id,
        name: address.name,
        payload: fields.payload.map_or(NO_PAYLOAD, |payload| line.slice_ref(payload.get().as_bytes())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> Result<Command, String> {
        let read = read(&Bytes::from(line.to_owned()), &"main".parse().unwrap(), &Caller::Anyone, Some("00-a-b-01"));
        read.map_err(|problem| serde_json::to_string(&problem.document()).unwrap())
    }

    #[test]
    fn a_line_has_all_values_that_headers_have() {
        let read = command(
            r#"{"address":"orders/order/o-1/draft-order","command_id":"c-1","expected_sequence":3,"correlation_id":"k","causation_id":"l",
               "actor":"Jörg","traceparent":"00-1-2-01","retry_rejected":true,"payload":{"customer": "c-1", "n": 1.10}}"#,
        )
        .unwrap();
        assert_eq!(
            (read.domain.as_str(), read.aggregate.as_str(), read.aggregate_id.as_str()),
            ("orders", "order", "o-1")
        );
        assert_eq!((read.name.as_str(), read.id.unwrap().as_str()), ("draft-order", "c-1"));
        assert_eq!((read.expected_sequence, read.retry_rejected), (Some(Sequence(3)), true));
        assert_eq!((read.correlation_id.unwrap().as_str(), read.causation_id.unwrap().as_str()), ("k", "l"));
        assert_eq!((read.actor.as_deref(), read.trail.traceparent.as_deref()), (Some("Jörg"), Some("00-1-2-01")));
        // The payload is kept as written, to the last digit.
        assert_eq!(read.payload, r#"{"customer": "c-1", "n": 1.10}"#);
        let least = command(r#"{"address":"orders/order/o-1/draft-order"}"#).unwrap();
        assert_eq!((least.payload, least.id), (NO_PAYLOAD, None));
        assert_eq!(least.trail.traceparent.as_deref(), Some("00-a-b-01"));
    }

    #[test]
    fn a_bad_line_is_answered_with_what_would_be_right() {
        for (line, wanted) in [
            ("", "the line cannot be read"),
            ("{\"address\":\"a/b/c/d\"", "the line cannot be read"),
            ("{}", "missing field `address`"),
            (r#"{"address":"a/b/c/d","id":"x"}"#, "unknown field `id`"),
            (r#"{"address":"a/b/c"}"#, "domain/aggregate/id/command"),
            (r#"{"address":"a/b/c d/e"}"#, "an id has 1 to 128"),
            (r#"{"address":"a/b/c/d","command_id":"two words"}"#, "visible ASCII"),
            (r#"{"address":"a/b/c/d","expected_sequence":-1}"#, "the line cannot be read"),
            (r#"{"address":"a/b/c/d","expected_sequence":1e400}"#, "limit json_number_max"),
            (r#"{"address":"a/b/c/d","actor":""}"#, "member actor has 0 bytes"),
            (r#"{"address":"a/b/c/d","traceparent":"two words"}"#, "member traceparent is no trace context"),
            (r#"{"address":"a/b/c/d","payload":{"a":}}"#, "the line cannot be read"),
        ] {
            let problem = command(line).unwrap_err();
            assert!(problem.contains(wanted), "{line}: {problem}");
        }
    }
}
