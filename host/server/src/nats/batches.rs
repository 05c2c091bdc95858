//! `{tenant}.cmds`: many commands in one message, one line of JSON each as over HTTP. The reply has a line for each.
//! Bounded in lines, and by NATS's limit of a message.

use std::pin::Pin;

use bytes::Bytes;
use futures::FutureExt as _;
use polder_core::{CommandAck, TenantName};
use polder_nats::service::{Reply, Request};

use super::served_partition::ServedPartition;
use crate::access::{Hints as _, Permission};
use crate::requests::batch_answers::{append_ack, append_early_end, append_problem, shorten};
use crate::requests::batch_line;
use crate::wire::headers;
use crate::wire::http_status;
use crate::wire::problem::Problem;

/// The most lines of one message.
pub(super) const LINES_MAX: usize = 1_024;
/// The room for the short answer to a line in a reply that would be too long, in bytes.
const SHORT_ANSWER_BYTES_MAX: usize = 96;

enum Taken {
    Refused(Problem),
    Pending(Pin<Box<dyn Future<Output = Result<CommandAck, Problem>> + Send>>),
}

/// The outcome of each line, by its number.
struct Batch {
    taken: Vec<(u64, Taken)>,
    /// The number of the last line that was taken, and why the next was not. `None` if all were taken.
    early: Option<(u64, Problem)>,
}

/// Submits all commands of a message. Not an async function: all commands are under way when this returns, so that the
/// commands of one caller are decided in the order in which they were sent. A reply longer than `reply_bytes_max` could
/// not be sent, so its answers are shortened.
pub(super) fn submit(
    served: &ServedPartition,
    reply_bytes_max: usize,
    request: Request,
) -> impl Future<Output = Reply> + use<> {
    let taken = take(served, &request);
    async move {
        match taken {
            Ok(batch) => Reply::good(answered(batch, reply_bytes_max).await),
            Err(problem) => problem.into(),
        }
    }
}

fn take(served: &ServedPartition, request: &Request) -> Result<Batch, Problem> {
    let caller = served.authenticator.caller(request)?;
    let tenant = TenantName::new(request.subject().split('.').next().unwrap_or_default())?;
    caller.check(&Permission::PublishWithin(polder_core::subject::commands(&tenant)))?;
    let traceparent = headers::traceparent(request)?;
    let lines: Vec<Bytes> = lines(request.payload());
    if lines.len() > LINES_MAX {
        let detail = format!("the message has {} lines; at most {LINES_MAX} are allowed: none was taken", lines.len());
        return Err(Problem::new(&http_status::TOO_LARGE, detail)
            .with_limit("lines_max", LINES_MAX as u64)
            .with("actual", lines.len() as u64));
    }
    let mut batch = Batch { taken: Vec::with_capacity(lines.len()), early: None };
    for (number, line) in (1..).zip(&lines) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let command = match batch_line::read(line, &tenant, &caller, traceparent) {
            Ok(command) => command,
            Err(problem) => {
                batch.taken.push((number, Taken::Refused(problem)));
                continue;
            }
        };
        let (caller, tenant, domain) = (caller.clone(), tenant.clone(), command.domain.clone());
        let problem =
            move |error: polder_engine::SubmitError| Problem::from(error.for_caller(&caller, &tenant, &domain));
        let mut pending: Pin<Box<dyn Future<Output = _> + Send>> = match served.partition.submit(command) {
            Ok(submitted) => Box::pin(submitted.map(move |result| result.and_then(|decided| decided.map_err(problem)))),
            Err(problem) => Box::pin(std::future::ready(Err(problem))),
        };
        let taken = match (&mut pending).now_or_never() {
            // Nothing may wait here: messages would be taken out of order.
            Some(Err(problem)) if problem.is_temporary() => {
                batch.early = Some((number - 1, problem));
                break;
            }
            Some(Err(problem)) => Taken::Refused(problem),
            Some(Ok(acknowledgement)) => Taken::Pending(Box::pin(std::future::ready(Ok(acknowledgement)))),
            None => Taken::Pending(pending),
        };
        batch.taken.push((number, taken));
    }
    Ok(batch)
}

fn lines(payload: &Bytes) -> Vec<Bytes> {
    let mut lines: Vec<Bytes> = payload.split(|byte| *byte == b'\n').map(|line| payload.slice_ref(line)).collect();
    // A line end at the end starts no new line.
    if lines.last().is_some_and(Bytes::is_empty) {
        lines.pop();
    }
    lines
}

async fn answered(batch: Batch, reply_bytes_max: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut end = Vec::new();
    if let Some((lines_taken, problem)) = &batch.early {
        append_early_end(&mut end, *lines_taken, problem);
    }
    let mut left = batch.taken.len();
    for (number, taken) in batch.taken {
        left -= 1;
        let start = text.len();
        let refused = match taken {
            Taken::Refused(problem) => Err(problem),
            Taken::Pending(pending) => pending.await,
        };
        match refused {
            Ok(acknowledgement) => append_ack(&mut text, number, &acknowledgement),
            Err(problem) => append_problem(&mut text, number, &problem),
        }
        // Each later line has room for a short answer at least.
        if text.len() + left * SHORT_ANSWER_BYTES_MAX + end.len() > reply_bytes_max {
            shorten(&mut text, start, number);
        }
    }
    text.extend_from_slice(&end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reply_that_would_be_too_long_is_shortened_line_by_line() {
        let long = |_| Problem::new(&http_status::BAD_LINE, "x".repeat(500));
        let taken = (1..=20).map(|number| (number, Taken::Refused(long(number)))).collect();
        let early = Some((20, Problem::new(&http_status::BUSY, "busy")));
        let text = answered(Batch { taken, early }, 4_000).await;
        assert!(text.len() <= 4_000, "{}", text.len());
        let lines: Vec<serde_json::Value> = text
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 21);
        assert_eq!(lines[0]["detail"].as_str().map(str::len), Some(500));
        assert_eq!(lines[19], serde_json::json!({ "line": 20, "status": 400, "shortened": true }));
        assert_eq!(lines[20]["lines_taken"], 20);
    }

    #[test]
    fn a_line_end_at_the_end_starts_no_line() {
        let count = |text: &'static str| lines(&Bytes::from_static(text.as_bytes())).len();
        assert_eq!([count(""), count("a"), count("a\n"), count("a\n\nb\n")], [0, 1, 1, 3]);
    }
}
