//! `{tenant}.cmd.{domain}.{aggregate}.{id}.{command}`: submits a command to the host.

use polder_core::CommandAck;
use polder_engine::SubmitError;
use polder_nats::service::{Reply, Request};

use super::reply;
use super::served_partition::ServedPartition;
use crate::access::{Hints, Permission};
use crate::requests::command;
use crate::wire::address::CommandAddress;
use crate::wire::headers;
use crate::wire::http_status;
use crate::wire::problem::Problem;

/// The header for the trace context. The reply repeats it, and the log has it next to a failure.
const TRACEPARENT: &str = "traceparent";

/// Submits a command. Not an async function: the command is under way when this returns, so that the commands of one
/// caller are decided in the order in which they were sent.
pub(super) fn submit(served: &ServedPartition, request: Request) -> impl Future<Output = Reply> + use<> {
    let trace = headers::traceparent(&request).map(|trace| trace.map(str::to_owned));
    let taken = trace.and_then(|trace| Ok((trace, take(served, &request)?)));
    async move {
        let (trace, pending) = match taken {
            Ok(taken) => taken,
            Err(problem) => return problem.into(),
        };
        let reply = match pending.await {
            Err(problem) => problem.into(),
            Ok(Ok(acknowledgement)) => reply::good(&acknowledgement),
            Ok(Err(error)) => {
                if let Some(trace) = &trace {
                    tracing::debug!(traceparent = %trace, %error, "a command was refused");
                }
                Problem::from(error).into()
            }
        };
        match trace {
            Some(trace) => reply.with_header(TRACEPARENT, &trace),
            None => reply,
        }
    }
}

fn take(
    served: &ServedPartition,
    request: &Request,
) -> Result<impl Future<Output = Result<Result<CommandAck, SubmitError>, Problem>> + use<>, Problem> {
    let caller = served.authenticator.caller(request)?;
    let address = address(request.subject())?;
    caller.check(&Permission::Publish(request.subject().to_owned()))?;
    let mut command = command::without_payload(address, &caller, request)?;
    if !request.payload().is_empty() {
        command.payload = request.payload().clone();
    }
    let (tenant, domain) = (command.tenant.clone(), command.domain.clone());
    let pending = served.partition.submit(command)?;
    Ok(async move { Ok(pending.await?.map_err(|error| error.for_caller(&caller, &tenant, &domain))) })
}

fn address(subject: &str) -> Result<CommandAddress, Problem> {
    let mut tokens = subject.split('.');
    let mut token = || tokens.next();
    if let (Some(tenant), Some(_), Some(domain), Some(aggregate), Some(id), Some(command), None) =
        (token(), token(), token(), token(), token(), token(), token())
    {
        return Ok(CommandAddress::new([tenant, domain, aggregate, id, command])?);
    }
    let detail = format!(
        "a command's subject has six tokens, this one has {}: {{tenant}}.cmd.{{domain}}.{{aggregate}}.{{id}}.{{command}} would be right",
        subject.split('.').count()
    );
    Err(Problem::new(&http_status::BAD_SUBJECT, detail).with("subject", subject))
}

#[cfg(test)]
#[path = "commands_fuzz_tests.rs"]
mod fuzz_tests;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_found_in_its_subject() {
        let found = address("main.cmd.orders.order.o-1.draft-order").ok().unwrap();
        assert_eq!((found.tenant.as_str(), found.domain.as_str()), ("main", "orders"));
        assert_eq!((found.aggregate.as_str(), found.aggregate_id.as_str()), ("order", "o-1"));
        assert_eq!(found.name.as_str(), "draft-order");
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for subject in [
            "main.cmd.orders.order.o-1",
            "main.cmd.orders.order.o-1.draft-order.now",
            "main.cmd",
            "main.cmd.Orders.order.o-1.draft-order",
            "main.cmd.orders.order.*.draft-order",
            "main.cmd.orders.order.>",
            "main.cmd.orders.order..draft-order",
            &format!("main.cmd.orders.order.{}.draft-order", "9".repeat(300)),
        ] {
            assert!(address(subject).is_err(), "{subject}");
        }
    }
}
