//! `polder effects`: what a domain's projections asked for.

use clap::Args;
use polder_core::DomainName;
use serde_json::Value;

use crate::client::{Client, converse};
use crate::failure::Outcome;
use crate::output::Output;
use crate::target::Target;

/// Print what a domain's projections asked for, one a line.
#[derive(Args)]
pub(crate) struct Effects {
    domain: DomainName,
    /// Only those after this number.
    #[arg(long, default_value_t = 0, value_name = "N")]
    after: u64,
    /// At most this many.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    target: Target,
}

impl Effects {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let parameters =
            [("after", Some(self.after.to_string())), ("limit", self.limit.map(|limit| limit.to_string()))];
        let request = client.get(&[self.domain.as_str(), "effects"], &parameters);
        let page: Value = converse(client.read(request))?;
        output.answer(&page, || {
            let effects = page["effects"].as_array().map_or(&[][..], Vec::as_slice);
            if effects.is_empty() { "no effects".to_owned() } else { effects.iter().map(line).collect() }
        })
    }
}

fn line(effect: &Value) -> String {
    let text = |field: &str| effect[field].as_str().unwrap_or_default();
    format!(
        "{:>6}  {}  {} {}  {}  {}\n",
        effect["number"],
        text("projection"),
        text("kind"),
        text("target"),
        text("key"),
        effect["payload"]
    )
}
