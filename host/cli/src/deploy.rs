//! `polder deploy`: puts a domain on a host.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_core::DomainName;
use reqwest::Method;
use serde_json::Value;

use crate::client::{Client, converse};
use crate::failure::Outcome;
use crate::guest;
use crate::output::Output;
use crate::target::Target;

/// Put a domain on a host; its revision becomes the active one.
#[derive(Args)]
pub(crate) struct Deploy {
    /// A wasm file, or the folder of a domain crate, which is built first.
    #[arg(value_name = "FILE.wasm|DIR")]
    component: PathBuf,
    /// Refuse unless the component describes this domain; by default what it describes is taken.
    #[arg(long)]
    domain: Option<DomainName>,
    /// Who deploys, for the record.
    #[arg(long)]
    actor: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl Deploy {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let file = match self.component.is_dir() {
            true => guest::build(&self.component, output)?.file,
            false => self.component,
        };
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let domain = match self.domain {
            Some(domain) => domain,
            None => guest::check(&bytes).with_context(|| format!("{} cannot be deployed", file.display()))?.domain,
        };
        let client = Client::new(&self.target)?;
        let mut request = client.request(Method::PUT, &["domains", domain.as_str()]).body(bytes);
        if let Some(actor) = &self.actor {
            request = request.header("actor", actor);
        }
        let deployed: Value = converse(client.read(request))?;
        output.answer(&deployed, || summary(&deployed))
    }
}

fn summary(deployed: &Value) -> String {
    let text = |field: &str| deployed[field].as_str().unwrap_or_default().to_owned();
    let short = |revision: String| revision.chars().take(12).collect::<String>();
    let (domain, revision) = (text("domain"), short(text("revision")));
    let mut summary = match text("status").as_str() {
        "already-active" => format!("{domain} is at revision {revision} already"),
        _ => format!("{domain} is at revision {revision}"),
    };
    if let Some(previous) =
        deployed["previous"].as_str().filter(|previous| !revision.starts_with(&short((*previous).to_owned())))
    {
        summary.push_str(&format!(", before at {}", short(previous.to_owned())));
    }
    for check in deployed["checks"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        summary.push_str(&format!("\n  checked: {check}"));
    }
    summary
}
