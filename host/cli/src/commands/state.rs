//! `polder state`: shows an aggregate's state, now or in the past.

use clap::Args;
use serde_json::Value;

use crate::arguments::addresses::AggregateAddress;
use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::failure::Outcome;
use crate::output::Output;
use crate::text::revision::shortened;
use crate::text::times::rfc3339;

/// Show the state of an aggregate, now or as of a sequence or a time.
#[derive(Args)]
pub(crate) struct State {
    /// The aggregate, such as orders/order/o-1.
    #[arg(value_name = "DOMAIN/AGGREGATE/ID")]
    address: AggregateAddress,
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
        let address = &self.address;
        let segments = [address.domain.as_str(), address.aggregate.as_str(), address.id.as_str()];
        let parameters = [("sequence", self.sequence.map(|sequence| sequence.to_string())), ("at", self.at)];
        let request = client.get(&segments, &parameters);
        let answer: Value = block_on(client.read(request))?;
        output.answer(&answer, || {
            let at = rfc3339(answer["at_ms"].as_u64().unwrap_or_default());
            let revision = shortened(&answer["revision"]);
            format!("{address} at sequence {}, {at}, revision {revision}\n{:#}", answer["sequence"], answer["state"])
        })
    }
}
