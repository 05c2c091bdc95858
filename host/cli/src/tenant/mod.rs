//! `polder tenant`: manages the tenants of a host and their limits.

mod export;
mod limits;
mod remove;
mod show;

use clap::{Args, Subcommand};
use polder_core::TenantName;
use reqwest::Method;
use serde_json::Value;

use crate::client::{Client, converse};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::target::Connection;

/// Add, list, show, limit, suspend, export and remove tenants.
#[derive(Args)]
pub(crate) struct Tenant {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Add a tenant with nothing in it.
    Add(One),
    /// List all tenants.
    List(show::List),
    /// Show a tenant: its domains, its usage and every limit.
    Show(show::Show),
    Limits(limits::Limits),
    /// Refuse the tenant's commands from now on; reads continue.
    Suspend(One),
    /// Accept the tenant's commands again.
    Resume(One),
    Export(export::Export),
    Remove(remove::Remove),
}

/// One tenant, and the actor who decides about it.
#[derive(Args)]
struct One {
    /// The tenant's name, such as acme.
    tenant: TenantName,
    /// Name of the actor, for the record.
    #[arg(long)]
    actor: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Tenant {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.what {
            What::Add(one) => one.change(output, (Method::PUT, &[]), ("is here now", "was here before")),
            What::Export(export) => export.run(output),
            What::Remove(remove) => remove.run(output),
            What::List(list) => list.run(output),
            What::Show(show) => show.run(output),
            What::Limits(limits) => limits.run(output),
            What::Suspend(one) => one.change(
                output,
                (Method::POST, &["suspend"]),
                ("is suspended: its commands are refused, reads go on", "was suspended before"),
            ),
            What::Resume(one) => {
                one.change(output, (Method::POST, &["resume"]), ("takes commands again", "was not suspended"))
            }
        }
    }
}

impl One {
    /// `words` are two messages: the first for a change, the second if it was so before.
    fn change(self, output: &Output, (method, below): (Method, &[&str]), words: (&str, &str)) -> Outcome {
        let answer = self.ask(method, below, &[], Vec::new())?;
        let words = if answer["changed"] == true { words.0 } else { words.1 };
        output.answer(&answer, || format!("{} {words}", self.tenant))
    }

    fn ask(
        &self,
        method: Method,
        below: &[&str],
        parameters: &[(&str, Option<String>)],
        body: Vec<u8>,
    ) -> Result<Value, Failure> {
        let client = Client::of_tenants(&self.connection)?;
        let segments = [&[self.tenant.as_str()], below].concat();
        let mut request = client.request_with(method, &segments, parameters).body(body);
        if let Some(actor) = &self.actor {
            request = request.header("actor", actor);
        }
        converse(client.read(request))
    }
}
