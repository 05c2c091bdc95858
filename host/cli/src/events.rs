//! `polder events`: a tenant's history, or one aggregate's, and what comes next.

use clap::Args;
use polder_core::{CorrelationId, DomainName, Event, EventName};
use reqwest::RequestBuilder;

use crate::client::{Client, converse};
use crate::failure::Outcome;
use crate::output::Output;
use crate::place::AggregatePlace;
use crate::target::Target;
use crate::times::rfc3339;

/// Print events in order, one a line.
#[derive(Args)]
pub(crate) struct Events {
    /// Only this aggregate's: orders/order/o-1.
    #[arg(value_name = "DOMAIN/AGGREGATE/ID", conflicts_with_all = ["domain", "name", "correlation", "follow"])]
    place: Option<AggregatePlace>,
    /// Only this domain's.
    #[arg(long)]
    domain: Option<DomainName>,
    /// Only events of this name.
    #[arg(long)]
    name: Option<EventName>,
    /// Only what this request set off.
    #[arg(long, value_name = "ID")]
    correlation: Option<CorrelationId>,
    /// Only those after this position; with an aggregate, after this sequence.
    #[arg(long, default_value_t = 0, value_name = "N")]
    after: u64,
    /// At the end, wait for more.
    #[arg(long)]
    follow: bool,
    /// Stop after this many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    target: Target,
}

impl Events {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let request = self.request(&client);
        converse(print(&client, request, output))
    }

    fn request(&self, client: &Client) -> RequestBuilder {
        let limit = ("limit", self.limit.map(|limit| limit.to_string()));
        if let Some(place) = &self.place {
            let segments = [place.domain.as_str(), place.aggregate.as_str(), place.id.as_str(), "events"];
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

async fn print(client: &Client, request: RequestBuilder, output: &Output) -> Outcome {
    let mut response = client.stream(request).await?;
    let mut rest = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| client.unreachable(error))? {
        rest.extend_from_slice(&chunk);
        let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in rest[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            print_one(line, output)?;
        }
        rest.drain(..whole);
    }
    Ok(())
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
