//! `polder state`: shows an aggregate's state, now or in the past.

use clap::Args;
use serde_json::Value;

use crate::client::{Client, converse};
use crate::failure::Outcome;
use crate::output::Output;
use crate::place::AggregatePlace;
use crate::target::Target;
use crate::times::rfc3339;

/// Show the state of an aggregate, now or as of a sequence or a time.
#[derive(Args)]
pub(crate) struct State {
    /// The aggregate, such as orders/order/o-1.
    #[arg(value_name = "DOMAIN/AGGREGATE/ID")]
    place: AggregatePlace,
    /// State after the aggregate's event with this sequence.
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// State at this time: 2026-05-01T12:00:00Z, or milliseconds since 1970.
    #[arg(long, value_name = "TIME", conflicts_with = "sequence")]
    at: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl State {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let place = &self.place;
        let segments = [place.domain.as_str(), place.aggregate.as_str(), place.id.as_str()];
        let parameters = [("sequence", self.sequence.map(|sequence| sequence.to_string())), ("at", self.at)];
        let request = client.get(&segments, &parameters);
        let answer: Value = converse(client.read(request))?;
        output.answer(&answer, || {
            let at = rfc3339(answer["at_ms"].as_u64().unwrap_or_default());
            let revision: String = answer["revision"].as_str().unwrap_or_default().chars().take(12).collect();
            format!("{place} at sequence {}, {at}, revision {revision}\n{:#}", answer["sequence"], answer["state"])
        })
    }
}
