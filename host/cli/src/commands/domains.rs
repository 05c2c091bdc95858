//! `polder domains`: lists what is deployed, and how far its views are.

use clap::Args;
use polder_core::counted;
use serde_json::Value;

use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::failure::Outcome;
use crate::output::Output;
use crate::text::revision::shortened;

/// List the domains of a host: revision, aggregates, commands and views.
#[derive(Args)]
pub(crate) struct Domains {
    #[command(flatten)]
    target: Target,
}

impl Domains {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let answer: Value = block_on(client.read_list(&["domains"], "domains"))?;
        output.answer(&answer, || {
            let domains = answer["domains"].as_array().map_or(&[][..], Vec::as_slice);
            if domains.is_empty() {
                return "no domains yet: `polder deploy FILE.wasm` adds one".to_owned();
            }
            domains.iter().map(describe).collect()
        })
    }
}

fn describe(domain: &Value) -> String {
    let revision = shortened(&domain["revision"]);
    let mut text = format!("{}  revision {revision}\n", domain["domain"].as_str().unwrap_or_default());
    for (name, aggregate) in domain["descriptor"]["aggregates"].as_object().into_iter().flatten() {
        let commands: Vec<&str> =
            aggregate["commands"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        text.push_str(&format!("  aggregate {name}: {}\n", commands.join(", ")));
    }
    for view in domain["projections"].as_array().into_iter().flatten() {
        let name = view["projection"].as_str().unwrap_or_default();
        text.push_str(&format!("  view {name}: at position {}", view["position"]));
        if view["is_being_built"].as_bool() == Some(true) {
            text.push_str(", is being built");
        }
        if let Some(withheld) = view["withheld"].as_str() {
            text.push_str(&format!(", the new one is not switched in: {withheld}"));
        }
        if let Some(rebuilding) = view["rebuilding"].as_u64() {
            text.push_str(&format!(", a new one is being built, at {rebuilding}"));
        }
        if let Some(parked) = view["parked"].as_u64().filter(|parked| *parked > 0) {
            text.push_str(&format!(", {} set aside", counted(parked, "event")));
        }
        if let Some(stalled) = view["stalled"].as_str() {
            text.push_str(&format!(", stalled: {stalled}"));
        }
        text.push('\n');
    }
    text
}
