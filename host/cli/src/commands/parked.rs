//! `polder parked`: lists, retries and discards events that projections could not apply.

use std::fmt;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use polder_core::{DomainName, ProjectionName, counted};
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
/// Events per check; the host lists no more in one answer.
const CHECKED_PER_PAGE: usize = 1_000;

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

/// At least one of these is required, so that no event is changed by mistake.
#[derive(Args)]
#[group(required = true, args = ["position", "domain", "projection", "key", "all"])]
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
            lines.push_str(&format!("{} set aside", counted(parked.len(), "event")));
            if let Some(next) = page["next"].as_u64() {
                lines.push_str(&format!(", there are more: go on with --after {next}"));
            }
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
            let left = wait_until_settled(&client, &self.selection, until).await?;
            Ok::<_, Failure>((changed, left))
        })?;
        let answer = serde_json::json!({ "events": changed["events"], "left": left.as_ref().map(|left| left.count) });
        output.answer(&answer, || {
            let events = counted(&changed["events"], "event");
            match left {
                Some(Left { count: 0, .. }) => format!("tried {events} again; nothing named is set aside any more"),
                Some(left) => format!("tried {events} again; {left}"),
                None => format!("{events} will be tried again"),
            }
        })
    }
}

impl Discard {
    fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let parameters = self.selection.parameters();
        let request = client.request_with(Method::POST, &["parked", "discard"], &parameters);
        let changed: Value = block_on(client.read(request))?;
        output.answer(&changed, || format!("discarded {}", counted(&changed["events"], "event")))
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

/// The events that are still set aside after a retry.
struct Left {
    count: usize,
    /// Whether one page did not list all of them.
    has_more: bool,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { count: 1, has_more: false } => f.write_str("1 is still set aside"),
            Self { count, has_more: false } => write!(f, "{count} are still set aside"),
            Self { count, has_more: true } => write!(f, "{count} or more are still set aside"),
        }
    }
}

/// Waits until none of these events is due, and returns those that are still set aside. Returns `None` when the time is
/// up.
async fn wait_until_settled(client: &Client, selection: &Selection, until: Instant) -> Result<Option<Left>, Failure> {
    while Instant::now() < until {
        let page = still_parked(client, selection).await?;
        let parked = parked_of(&page);
        if !parked.iter().any(|event| event["is_due"].as_bool() == Some(true)) {
            return Ok(Some(Left { count: parked.len(), has_more: page["next"].is_u64() }));
        }
        tokio::time::sleep(CHECK_PAUSE).await;
    }
    Ok(None)
}

/// The named events that are set aside, as far as one page lists them.
async fn still_parked(client: &Client, selection: &Selection) -> Result<Value, Failure> {
    let mut parameters = selection.filter.parameters();
    let Some(position) = selection.position else {
        parameters.push(("limit", Some(CHECKED_PER_PAGE.to_string())));
        return client.read(client.get(&["parked"], &parameters)).await;
    };
    match client.read(client.get(&["parked", &position.to_string()], &parameters)).await {
        Err(Failure::Problem(problem)) if problem.kind() == "nothing-parked" => Ok(Value::Null),
        answer => answer,
    }
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
