//! Delivers one command: sends it until the host has decided, under the same id each time, so that a repeat is known as one.

use std::time::{Duration, Instant};

use polder_core::{CommandAck, CommandStatus};
use polder_import::{PlannedCommand, Refusal};
use reqwest::{Method, StatusCode};

use crate::client::{Answer, Client};
use crate::failure::Failure;
use crate::import::patience::Patience;
use crate::problem::Problem;

/// A host that has taken a command answers it within milliseconds; one that is silent for this long is asked again.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Problems that every other row would meet as well.
const HOPELESS: [&str; 5] =
    ["unknown-tenant", "unknown-domain", "unknown-aggregate", "unknown-route", "storage-failed"];

/// What became of a row that was sent.
pub(crate) enum Delivered {
    Acknowledged(CommandAck),
    Refused(Refusal),
}

/// # Errors
/// When no further row can be sent either: the host stays away, or knows nothing of what the map names.
pub(crate) async fn deliver(client: &Client, command: &PlannedCommand, total: Duration) -> Result<Delivered, Failure> {
    let start = Instant::now();
    let mut patience = Patience::new(total);
    loop {
        let (failure, asked) = match client.answer(request(client, command)).await {
            Ok(answer) => match judge(&answer)? {
                Judged::Delivered(delivered) => return Ok(delivered),
                Judged::Later(problem) => {
                    let asked = problem.retry_after_s().map(Duration::from_secs);
                    (Failure::Problem(Box::new(problem)), asked)
                }
            },
            Err(failure) => (failure, None),
        };
        match patience.next(start.elapsed(), asked) {
            Some(pause) => tokio::time::sleep(pause).await,
            None => return Err(failure),
        }
    }
}

fn request(client: &Client, command: &PlannedCommand) -> reqwest::RequestBuilder {
    let segments =
        [command.domain.as_str(), command.aggregate.as_str(), command.aggregate_id.as_str(), command.name.as_str()];
    client
        .request(Method::POST, &segments)
        .header("idempotency-key", command.id.as_str())
        .timeout(ANSWER_WAIT_MAX)
        .body(command.payload.clone())
}

enum Judged {
    Delivered(Delivered),
    Later(Problem),
}

fn judge(answer: &Answer) -> Result<Judged, Failure> {
    if answer.status.is_success() {
        return Ok(Judged::Delivered(Delivered::Acknowledged(answer.json()?)));
    }
    let problem = answer.problem();
    if problem.passes() {
        return Ok(Judged::Later(problem));
    }
    if answer.status == StatusCode::UNPROCESSABLE_ENTITY
        && let Ok(acknowledgement) = serde_json::from_slice(&answer.body)
    {
        return Ok(Judged::Delivered(Delivered::Acknowledged(acknowledgement)));
    }
    if problem.kind().is_empty() || HOPELESS.contains(&problem.kind()) {
        return Err(Failure::Problem(Box::new(problem)));
    }
    Ok(Judged::Delivered(Delivered::Refused(Refusal::new(problem.kind(), problem.to_string()))))
}

/// The domain's no, as the report groups it.
pub(crate) fn rejection(acknowledgement: &CommandAck) -> Option<Refusal> {
    if acknowledgement.status != CommandStatus::Rejected {
        return None;
    }
    let reason = acknowledgement.reason.as_ref();
    Some(reason.map_or_else(
        || Refusal::new("rejected without a reason", ""),
        |reason| Refusal::new(reason.code.as_str(), reason.message.as_str()),
    ))
}
