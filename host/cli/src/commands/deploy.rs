//! `polder deploy`: puts a domain on a host.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_core::DomainName;
use reqwest::Method;

use crate::arguments::target::Target;
use crate::client::Client;
use crate::commands::revision_check::RevisionCheckArguments;
use crate::domain_crate;
use crate::failure::Outcome;
use crate::output::Output;

/// Put a domain on a host; its revision becomes the active one once it has passed the revision check.
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
    check: RevisionCheckArguments,
    #[command(flatten)]
    target: Target,
}

impl Deploy {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let file = match self.component.is_dir() {
            true => domain_crate::build(&self.component, output)?.file,
            false => self.component,
        };
        let bytes = std::fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let client = Client::new(&self.target)?;
        let mut segments = vec!["domains"];
        segments.extend(self.domain.as_ref().map(DomainName::as_str));
        let mut parameters = self.check.parameters();
        parameters.push(("release_quarantine", self.release_quarantine.then(|| "true".to_owned())));
        let request =
            client.request_with(Method::PUT, &segments, &parameters).header("content-type", "application/wasm");
        self.check.send(&client, request.body(bytes), output)
    }
}
