//! `polder deploy`: puts a domain on a host.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_core::DomainName;
use reqwest::Method;

use crate::client::Client;
use crate::failure::Outcome;
use crate::guest;
use crate::output::Output;
use crate::revision_check::Gate;
use crate::target::Target;

/// Put a domain on a host; its revision becomes the active one once it has passed the gate.
#[derive(Args)]
pub(crate) struct Deploy {
    /// A wasm file, or the folder of a domain crate, which is built first.
    #[arg(value_name = "FILE.wasm|DIR")]
    component: PathBuf,
    /// Refuse a component that describes another domain than this; by default the component decides.
    #[arg(long)]
    domain: Option<DomainName>,
    /// Deploy the revision even if it was put into quarantine, and release it.
    #[arg(long)]
    release_quarantine: bool,
    #[command(flatten)]
    gate: Gate,
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
        let client = Client::new(&self.target)?;
        let mut place = vec!["domains"];
        place.extend(self.domain.as_ref().map(DomainName::as_str));
        let mut parameters = self.gate.parameters();
        parameters.push(("release_quarantine", self.release_quarantine.then(|| "true".to_owned())));
        let request = client.request_with(Method::PUT, &place, &parameters).header("content-type", "application/wasm");
        self.gate.pass(&client, request.body(bytes), output)
    }
}
