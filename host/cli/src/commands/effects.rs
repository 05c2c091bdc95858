//! `polder effects`: lists the effects that a domain's projections asked for.

use clap::Args;
use polder_core::{DomainName, counted};
use serde_json::Value;

use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::failure::Outcome;
use crate::output::Output;

/// Print the effects that a domain's projections asked for, one per line.
#[derive(Args)]
pub(crate) struct Effects {
    /// The domain, such as ticket-office.
    domain: DomainName,
    /// Only effects after this cursor: a position, or the `next` of an answer.
    #[arg(long, default_value = "0", value_name = "CURSOR")]
    after: String,
    /// At most this many effects.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    #[command(flatten)]
    target: Target,
}

impl Effects {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let parameters = [("after", Some(self.after)), ("limit", self.limit.map(|limit| limit.to_string()))];
        let request = client.get(&[self.domain.as_str(), "effects"], &parameters);
        let page: Value = block_on(client.read(request))?;
        output.answer(&page, || {
            let effects = page["effects"].as_array().map_or(&[][..], Vec::as_slice);
            let mut lines: String = effects.iter().map(line).collect();
            let next = page["next"].as_str().unwrap_or_default();
            let shown = counted(effects.len(), "effect");
            lines.push_str(&match (page["has_more"].as_bool(), effects.is_empty()) {
                (Some(true), _) => format!("{shown}, there are more: go on with --after {next}"),
                (_, true) => format!("no effects, as of position {}", page["position"]),
                (_, false) => format!("{shown}, as of position {}", page["position"]),
            });
            lines
        })
    }
}

fn line(effect: &Value) -> String {
    let text = |field: &str| effect[field].as_str().unwrap_or_default();
    format!(
        "{:>8}  {}  {} {}  {}  {}\n",
        text("cursor"),
        text("projection"),
        text("kind"),
        text("target"),
        text("key"),
        effect["payload"]
    )
}
