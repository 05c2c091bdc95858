//! `polder send`: one command to one aggregate.

use std::io::Read;
use std::path::Path;

use anyhow::Context;
use clap::Args;
use polder_core::{CommandAck, CommandId, CommandName, CommandStatus, CorrelationId};
use reqwest::{Method, StatusCode};

use crate::client::{Client, converse};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::place::AggregatePlace;
use crate::target::Target;

/// Send a command to an aggregate and print its acknowledgement.
#[derive(Args)]
pub(crate) struct Send {
    /// Which aggregate: orders/order/o-1.
    #[arg(value_name = "DOMAIN/AGGREGATE/ID")]
    place: AggregatePlace,
    /// Which command: submit-order.
    command: CommandName,
    /// JSON, @FILE, or - for stdin.
    #[arg(default_value = "{}", value_name = "JSON|@FILE|-")]
    payload: String,
    /// The command's id: repeating it repeats the first acknowledgement. Made up by default.
    #[arg(long)]
    id: Option<CommandId>,
    /// Refuse unless the aggregate stands at this sequence.
    #[arg(long, value_name = "N")]
    if_sequence: Option<u64>,
    /// What the command belongs to.
    #[arg(long, value_name = "ID")]
    correlation: Option<CorrelationId>,
    /// What caused the command: an event or another command.
    #[arg(long, value_name = "ID")]
    causation: Option<CorrelationId>,
    /// Who asks.
    #[arg(long)]
    actor: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Send {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let payload = payload(&self.payload)?;
        let client = Client::new(&self.target)?;
        let place = &self.place;
        let segments = [place.domain.as_str(), place.aggregate.as_str(), place.id.as_str(), self.command.as_str()];
        let mut request = client.request(Method::POST, &segments).body(payload);
        let headers = [
            ("idempotency-key", self.id.map(|id| id.to_string())),
            ("if-match", self.if_sequence.map(|sequence| format!("\"{sequence}\""))),
            ("correlation-id", self.correlation.map(|id| id.to_string())),
            ("causation-id", self.causation.map(|id| id.to_string())),
            ("actor", self.actor),
        ];
        for (name, value) in headers {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let answer = converse(client.answer(request))?;
        // A rejection is an acknowledgement too; every other refusal is a problem document.
        let is_rejection = answer.status == StatusCode::UNPROCESSABLE_ENTITY && answer.problem().kind().is_empty();
        if !is_rejection && !answer.status.is_success() {
            return Err(answer.refusal());
        }
        tell(&answer.json()?, output)
    }
}

fn tell(acknowledgement: &CommandAck, output: &Output) -> Outcome {
    let CommandAck { status, aggregate_id, sequence, position, .. } = acknowledgement;
    let repeated = if acknowledgement.repeated { ", as before" } else { "" };
    if *status != CommandStatus::Rejected {
        let word = if *status == CommandStatus::Pending { "pending" } else { "accepted" };
        return output.answer(acknowledgement, || {
            format!("{word}{repeated}: {aggregate_id} is at sequence {sequence}, position {position}")
        });
    }
    if output.is_json() {
        output.line(&serde_json::to_string(acknowledgement)?)?;
    }
    let why = acknowledgement
        .reason
        .as_ref()
        .map_or_else(String::new, |reason| format!(": {} ({})", reason.message, reason.code));
    output.note(&format!("rejected{repeated}{why}"));
    Err(Failure::Rejected)
}

fn payload(text: &str) -> Result<Vec<u8>, anyhow::Error> {
    match text.strip_prefix('@') {
        Some(file) => std::fs::read(Path::new(file)).with_context(|| format!("cannot read the payload from {file}")),
        None if text == "-" => {
            let mut payload = Vec::new();
            std::io::stdin().read_to_end(&mut payload).context("cannot read the payload from stdin")?;
            Ok(payload)
        }
        None => Ok(text.as_bytes().to_vec()),
    }
}
