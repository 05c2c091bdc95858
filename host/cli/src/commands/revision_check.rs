//! What `deploy` and `rollback` share: the options of the revision check, its progress, and its result.

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::{RequestBuilder, Response};
use serde_json::Value;

use crate::client::{Client, block_on};
use crate::failure::problem::Problem;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::text::revision::shortened;
use crate::text::verdict;

const TEMPLATE: &str = "{bar:30} {percent:>3} %  {msg}  {elapsed}";

#[derive(Debug, Args)]
pub(crate) struct RevisionCheckArguments {
    /// Run the revision check, but change and record nothing.
    #[arg(long)]
    dry_run: bool,
    /// Accept states that differ from those of the revision before. Faults are never accepted.
    #[arg(long)]
    accept_changes: bool,
    /// Switch to the new views even if they set aside events that the old views applied.
    #[arg(long)]
    accept_set_aside: bool,
    /// Replay all histories, or a sample if there are more than N events [default: 1000000].
    #[arg(long, value_name = "all|N", value_parser = replay)]
    replay: Option<String>,
    /// Name of the person or program that does this. The host records it.
    #[arg(long)]
    actor: Option<String>,
}

fn replay(text: &str) -> Result<String, String> {
    match text.parse::<u64>() {
        Err(_) if text != "all" => Err("give \"all\", or the number of events above which a sample is taken".into()),
        _ => Ok(text.to_owned()),
    }
}

impl RevisionCheckArguments {
    pub(crate) fn parameters(&self) -> Vec<(&'static str, Option<String>)> {
        let flag = |is_set: bool| is_set.then(|| "true".to_owned());
        vec![
            ("dry_run", flag(self.dry_run)),
            ("accept_changes", flag(self.accept_changes)),
            ("accept_set_aside", flag(self.accept_set_aside)),
            ("replay", self.replay.clone()),
        ]
    }

    /// Sends the request, shows the progress of the check, and prints the outcome.
    pub(crate) fn send(&self, client: &Client, mut request: RequestBuilder, output: &Output) -> Outcome {
        if let Some(actor) = &self.actor {
            request = request.header("actor", actor);
        }
        let deployed = block_on(follow(client, request, output))?;
        output.answer(&deployed, || summary(&deployed))
    }
}

async fn follow(client: &Client, request: RequestBuilder, output: &Output) -> Result<Value, Failure> {
    let bar = if output.is_watched() { ProgressBar::no_length() } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
        bar.set_style(style);
    }
    let response = client.stream(request.header("accept", "application/x-ndjson")).await?;
    let last = last_line(client, response, |progress| {
        bar.set_length(progress["total"].as_u64().unwrap_or_default());
        bar.set_position(progress["done"].as_u64().unwrap_or_default());
        bar.set_message(progress["stage"].as_str().unwrap_or_default().to_owned());
    });
    let last = last.await;
    bar.finish_and_clear();
    let mut last = last?;
    if let Some(deployed) = last.get_mut("deployed") {
        return Ok(deployed.take());
    }
    let document = last["problem"].take();
    let status = document["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default();
    Err(Failure::Problem(Box::new(Problem::new(status, document.to_string().as_bytes(), None))))
}

/// Reads lines as they arrive and returns the last one. The lines before it report progress.
async fn last_line(
    client: &Client,
    mut response: Response,
    mut progress: impl FnMut(&Value),
) -> Result<Value, Failure> {
    let (mut buffer, mut last) = (Vec::new(), Value::Null);
    while let Some(chunk) = response.chunk().await.map_err(|error| client.unreachable(error))? {
        buffer.extend_from_slice(&chunk);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            last = serde_json::from_slice(&line)?;
            progress(&last["progress"]);
        }
    }
    Ok(last)
}

fn summary(deployed: &Value) -> String {
    let text = |field: &str| deployed[field].as_str().unwrap_or_default().to_owned();
    let (domain, revision) = (text("domain"), shortened(&deployed["revision"]));
    let mut summary = match text("status").as_str() {
        "already-active" => format!("{domain} is at revision {revision} already"),
        "would-pass" => format!("{domain} could be at revision {revision}"),
        "rolled-back" => format!("{domain} is back at revision {revision}"),
        _ => format!("{domain} is at revision {revision}"),
    };
    if deployed["previous"].is_string() && deployed["previous"] != deployed["revision"] {
        let verb = if text("status") == "would-pass" { "now" } else { "before" };
        summary.push_str(&format!(", {verb} at {}", shortened(&deployed["previous"])));
    }
    for check in deployed["checks"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        summary.push_str(&format!("\n  checked: {check}"));
    }
    if let Some(verdict) = verdict::read(&deployed["verdict"]).filter(|verdict| verdict.events > 0) {
        summary.push_str(&format!("\n  checked: {verdict}"));
        summary.push_str(&verdict::differences(&verdict));
    }
    summary
}
