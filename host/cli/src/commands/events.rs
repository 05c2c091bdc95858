//! `polder events`: prints the history of a tenant or of one aggregate, and follows it.

use std::time::Duration;

use clap::Args;
use polder_core::{CorrelationId, DomainName, Event, EventName};
use reqwest::RequestBuilder;
use serde::Deserialize;

use crate::arguments::addresses::AggregateAddress;
use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::text::times::rfc3339;

/// First pause before a host that went away is asked again. Each further pause is twice as long, up to the maximum.
const RECONNECT_PAUSE_MIN: Duration = Duration::from_millis(100);
const RECONNECT_PAUSE_MAX: Duration = Duration::from_secs(5);

/// Print events in order, one per line.
#[derive(Args)]
pub(crate) struct Events {
    /// Only events of this aggregate, such as orders/order/o-1.
    #[arg(value_name = "DOMAIN/AGGREGATE/ID", conflicts_with_all = ["domain", "name", "correlation", "follow"])]
    address: Option<AggregateAddress>,
    /// Only events of this domain.
    #[arg(long)]
    domain: Option<DomainName>,
    /// Only events with this name.
    #[arg(long)]
    name: Option<EventName>,
    /// Only events that this request caused.
    #[arg(long, value_name = "ID")]
    correlation: Option<CorrelationId>,
    /// Only events after this position; with an aggregate, after this sequence.
    #[arg(long, default_value_t = 0, value_name = "N")]
    after: u64,
    /// At the end, wait for more events; when the host goes away, wait for it and continue.
    #[arg(long)]
    follow: bool,
    /// Stop after this many events.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    target: Target,
}

impl Events {
    pub(crate) fn run(mut self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        block_on(self.print(&client, output))
    }

    /// Prints events to the end of the answer. With `--follow` it goes on until the limit is reached: when the host
    /// goes away, it asks again for the events after the last one it printed.
    async fn print(&mut self, client: &Client, output: &Output) -> Outcome {
        let (mut pause, mut is_known) = (RECONNECT_PAUSE_MIN, false);
        loop {
            let before = self.after;
            let broken_off = match self.print_until_end(client, output, &mut is_known).await? {
                End::Whole if !self.follow || self.limit == Some(0) => return Ok(()),
                End::Whole => "the host ended the answer".to_owned(),
                End::BrokenOff(problem) => problem,
            };
            if self.after > before {
                pause = RECONNECT_PAUSE_MIN;
            }
            output.note(&format!("{broken_off}; continues after {} once a host answers", self.after));
            tokio::time::sleep(pause).await;
            pause = (2 * pause).min(RECONNECT_PAUSE_MAX);
        }
    }

    /// `is_known` becomes true with the first answer. The request is valid then, so later failures are interruptions.
    async fn print_until_end(&mut self, client: &Client, output: &Output, is_known: &mut bool) -> Result<End, Failure> {
        let goes_on = self.follow && *is_known;
        let mut response = match client.stream(self.request(client)).await {
            Ok(response) => response,
            Err(Failure::Problem(problem)) if goes_on && problem.is_temporary() => {
                return Ok(End::BrokenOff(problem.to_string()));
            }
            Err(Failure::NoHost(error)) if goes_on => return Ok(End::BrokenOff(format!("{error:#}"))),
            Err(failure) => return Err(failure),
        };
        *is_known = true;
        let mut rest = Vec::new();
        loop {
            match response.chunk().await.map_err(|error| client.unreachable(error)) {
                Ok(Some(chunk)) => rest.extend_from_slice(&chunk),
                Ok(None) => return Ok(End::Whole),
                Err(Failure::NoHost(error)) if self.follow => return Ok(End::BrokenOff(format!("{error:#}"))),
                Err(failure) => return Err(failure),
            }
            let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            for line in rest[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                print_one(line, output)?;
                let EventNumbers { position, sequence } = serde_json::from_slice(line)?;
                self.after = if self.address.is_some() { sequence } else { position };
                self.limit = self.limit.map(|left| left.saturating_sub(1));
            }
            rest.drain(..whole);
        }
    }

    fn request(&self, client: &Client) -> RequestBuilder {
        let limit = ("limit", self.limit.map(|limit| limit.to_string()));
        if let Some(address) = &self.address {
            let segments = [address.domain.as_str(), address.aggregate.as_str(), address.id.as_str(), "events"];
            return client.get(&segments, &[("from", Some(self.after.saturating_add(1).to_string())), limit]);
        }
        let parameters = [
            ("after", Some(self.after.to_string())),
            ("domain", self.domain.as_ref().map(DomainName::to_string)),
            ("name", self.name.as_ref().map(EventName::to_string)),
            ("correlation_id", self.correlation.as_ref().map(CorrelationId::to_string)),
            ("follow", self.follow.then(|| "true".to_owned())),
            limit,
        ];
        client.get(&["events"], &parameters)
    }
}

/// The end of an answer.
enum End {
    Whole,
    BrokenOff(String),
}

/// Position of an event in the tenant's history, and its sequence in the aggregate's.
#[derive(Deserialize)]
struct EventNumbers {
    position: u64,
    sequence: u64,
}

fn print_one(line: &[u8], output: &Output) -> Outcome {
    if output.is_json() {
        return output.line(str::from_utf8(line)?);
    }
    let event: Event = serde_json::from_slice(line)?;
    output.line(&format!(
        "{:>8}  {}  {}/{}/{} {}  {}@{}  {}",
        event.position,
        rfc3339(event.at_ms.0),
        event.domain,
        event.aggregate,
        event.aggregate_id,
        event.sequence,
        event.name,
        event.version,
        event.payload
    ))
}
