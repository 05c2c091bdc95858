//! `polder rollback`: makes an earlier revision of a domain active again.

use clap::Args;
use polder_core::DomainName;
use reqwest::Method;

use crate::arguments::target::Target;
use crate::client::Client;
use crate::commands::revision_check::RevisionCheckArguments;
use crate::failure::Outcome;
use crate::output::Output;

/// Make an earlier revision of a domain the active one again, once it has passed the revision check.
#[derive(Args)]
pub(crate) struct Rollback {
    /// The domain, such as ticket-office. `polder domains` lists all domains.
    domain: DomainName,
    /// First digits of a revision that was active once; by default the one that was active before.
    #[arg(long, value_name = "REVISION")]
    to: Option<String>,
    #[command(flatten)]
    check: RevisionCheckArguments,
    #[command(flatten)]
    target: Target,
}

impl Rollback {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let client = Client::new(&self.target)?;
        let mut parameters = self.check.parameters();
        parameters.push(("to", self.to.clone()));
        let request = client.request_with(Method::POST, &["domains", self.domain.as_str(), "rollback"], &parameters);
        self.check.send(&client, request, output)
    }
}
