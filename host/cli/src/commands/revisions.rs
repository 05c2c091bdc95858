//! `polder revisions`: lists the revisions of a domain, each with its time, its actor and its status.

use clap::Args;
use polder_core::DomainName;
use serde_json::Value;

use crate::arguments::target::Target;
use crate::client::{Client, block_on};
use crate::failure::Outcome;
use crate::output::Output;
use crate::text::revision::shortened;
use crate::text::times::rfc3339;
use crate::text::verdict;

/// List the revisions of a domain, the oldest first.
#[derive(Args)]
pub(crate) struct Revisions {
    /// The domain, such as ticket-office.
    domain: DomainName,
    #[command(flatten)]
    target: Target,
}

impl Revisions {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let segments = ["domains", self.domain.as_str(), "revisions"];
        let answer: Value = block_on(client.read_list(&segments, "revisions"))?;
        output.answer(&answer, || {
            let revisions = answer["revisions"].as_array().map_or(&[][..], Vec::as_slice);
            revisions.iter().map(|revision| line(revision) + "\n").collect()
        })
    }
}

fn line(info: &Value) -> String {
    let text = |field: &str| info[field].as_str().unwrap_or_default();
    let revision = shortened(&info["revision"]);
    let (status, actor) = (text("status").replace('-', " "), info["actor"].as_str().unwrap_or("-"));
    let at = rfc3339(info["at_ms"].as_u64().unwrap_or_default());
    let mut line = format!("{at}  {revision}  {status:<11}  {actor}");
    if let Some(cause) = info["cause"].as_str() {
        line.push_str(&format!("  {cause}"));
    }
    if let Some(verdict) = verdict::read(&info["verdict"]).filter(|verdict| verdict.events > 0 || !verdict.passed()) {
        line.push_str(&format!("  {verdict}"));
    }
    line
}
