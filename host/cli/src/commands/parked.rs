//! `polder parked`: lists, retries and discards events that projections could not apply.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use polder_core::{DomainName, ProjectionName};
use reqwest::Method;
use serde_json::Value;

use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// How long `retry` waits for the views by default, in seconds.
const RETRY_WAIT_S: u64 = 10;
/// Pause between two checks of the events that are still due.
const CHECK_PAUSE: Duration = Duration::from_millis(200);

/// List events that projections could not apply, retry them, or discard them.
#[derive(Args)]
pub(crate) struct Parked {
    #[command(subcommand)]
    command: ParkedCommand,
}

#[derive(Subcommand)]
enum ParkedCommand {
    List(List),
    Show(Show),
    Retry(Retry),
    Discard(Discard),
}

/// List set-aside events with the reason, in order of position.
#[derive(Args)]
struct List {
    #[command(flatten)]
    filter: ParkedFilter,
    /// Only events after this position.
    #[arg(long, value_name = "POSITION")]
    after: Option<u64>,
    /// At most this many events.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    target: Target,
}

/// Show one set-aside event, and why it was set aside.
#[derive(Args)]
struct Show {
    /// The event's position.
    position: u64,
    #[command(flatten)]
    filter: ParkedFilter,
    #[command(flatten)]
    target: Target,
}

/// Retry events, each together with those before it in its document.
#[derive(Args)]
struct Retry {
    #[command(flatten)]
    selection: Selection,
    /// How long to wait for the views, in seconds; 0 returns at once.
    #[arg(long, default_value_t = RETRY_WAIT_S, value_name = "N")]
    wait_s: u64,
    #[command(flatten)]
    target: Target,
}

/// Discard events: their documents continue without them.
#[derive(Args)]
struct Discard {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    target: Target,
}

#[derive(Args)]
struct ParkedFilter {
    /// Only events of this domain.
    #[arg(long)]
    domain: Option<DomainName>,
    /// Only events of this projection.
    #[arg(long)]
    projection: Option<ProjectionName>,
    /// Only events of the document with this key.
    #[arg(long)]
    key: Option<String>,
}

#[derive(Args)]
struct Selection {
    /// The event at this position.
    position: Option<u64>,
    #[command(flatten)]
    filter: ParkedFilter,
    /// All events that are set aside.
    #[arg(long, conflicts_with_all = ["position", "domain", "projection", "key"])]
    all: bool,
}

type Parameters = Vec<(&'static str, Option<String>)>;

impl Parked {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.command {
            ParkedCommand::List(list) => list.run(output),
            ParkedCommand::Show(show) => show.run(output),
            ParkedCommand::Retry(retry) => retry.run(output),
            ParkedCommand::Discard(discard) => discard.run(output),
        }
    }
}

impl List {
    fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let mut parameters = self.filter.parameters();
        parameters.push(("after", self.after.map(|after| after.to_string())));
        parameters.push(("limit", self.limit.map(|limit| limit.to_string())));
        let page: Value = block_on(client.read(client.get(&["parked"], &parameters)))?;
        output.answer(&page, || {
            let parked = parked_of(&page);
            let mut lines: String = parked.iter().map(line).collect();
            lines.push_str(&match page["next"].as_u64() {
                Some(next) => format!("{} events set aside, there are more: go on with --after {next}", parked.len()),
                None => format!("{} events set aside", parked.len()),
            });
            lines
        })
    }
}

impl Show {
    fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let position = self.position.to_string();
        let request = client.get(&["parked", &position], &self.filter.parameters());
        let answer: Value = block_on(client.read(request))?;
        output.answer(&answer, || {
            let lines: String = parked_of(&answer).iter().map(line).collect();
            format!("{lines}{:#}", answer["event"])
        })
    }
}

impl Retry {
    fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let parameters = self.selection.parameters();
        let request = client.request_with(Method::POST, &["parked", "retry"], &parameters);
        let (changed, left) = block_on(async {
            let changed: Value = client.read(request).await?;
            let until = Instant::now() + Duration::from_secs(self.wait_s);
            let left = wait_until_settled(&client, &self.selection.filter, until).await?;
            Ok::<_, Failure>((changed, left))
        })?;
        let answer = serde_json::json!({ "events": changed["events"], "left": left });
        output.answer(&answer, || match left {
            Some(0) => format!("{} events were tried again; nothing is set aside any more", changed["events"]),
            Some(left) => format!("{} events were tried again; {left} are set aside", changed["events"]),
            None => format!("{} events are being tried again", changed["events"]),
        })
    }
}

impl Discard {
    fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let parameters = self.selection.parameters();
        let request = client.request_with(Method::POST, &["parked", "discard"], &parameters);
        let changed: Value = block_on(client.read(request))?;
        output.answer(&changed, || format!("{} events were discarded", changed["events"]))
    }
}

impl ParkedFilter {
    fn parameters(&self) -> Parameters {
        vec![
            ("domain", self.domain.as_ref().map(ToString::to_string)),
            ("projection", self.projection.as_ref().map(ToString::to_string)),
            ("key", self.key.clone()),
        ]
    }
}

impl Selection {
    fn parameters(&self) -> Parameters {
        let mut parameters = self.filter.parameters();
        parameters.push(("position", self.position.map(|position| position.to_string())));
        parameters.push(("all", self.all.then(|| "true".to_owned())));
        parameters
    }
}

/// Waits until no event is due, and returns the number of events that are still set aside, as far as one page lists
/// them. Returns `None` when the time is up.
async fn wait_until_settled(client: &Client, filter: &ParkedFilter, until: Instant) -> Result<Option<usize>, Failure> {
    let mut parameters = filter.parameters();
    parameters.push(("limit", Some("1000".to_owned())));
    while Instant::now() < until {
        let page: Value = client.read(client.get(&["parked"], &parameters)).await?;
        let parked = parked_of(&page);
        if !parked.iter().any(|event| event["is_due"].as_bool() == Some(true)) {
            return Ok(Some(parked.len()));
        }
        tokio::time::sleep(CHECK_PAUSE).await;
    }
    Ok(None)
}

fn parked_of(page: &Value) -> &[Value] {
    page["parked"].as_array().map_or(&[][..], Vec::as_slice)
}

fn line(event: &Value) -> String {
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    let document = match event["key"].as_str() {
        Some(key) => format!("document {key}"),
        None => "document unknown".to_owned(),
    };
    let being_built = if event["is_live"].as_bool() == Some(true) { "" } else { " (view being built)" };
    format!(
        "{:>8}  {}/{}{being_built}  {document}  {}/{} {}@{}  {}\n",
        event["position"],
        text("domain"),
        text("projection"),
        text("aggregate"),
        text("aggregate_id"),
        text("event"),
        event["version"],
        text("reason").replace('\n', " ")
    )
}
