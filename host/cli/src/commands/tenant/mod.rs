//! `polder tenant`: manages the tenants of a host and their limits.

mod export;
mod limits;
mod remove;
mod show;

use clap::{Args, Subcommand};
use polder_core::TenantName;
use reqwest::Method;
use serde_json::Value;

use crate::arguments::target::Connection;
use crate::client::{Client, block_on};
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// Add, list, show, limit, suspend, export and remove tenants.
#[derive(Args)]
pub(crate) struct Tenant {
    #[command(subcommand)]
    command: TenantCommand,
}

#[derive(Subcommand)]
enum TenantCommand {
    /// Add a tenant with nothing in it.
    Add(NamedTenant),
    /// List all tenants.
    List(show::List),
    /// Show a tenant: its domains, its usage and every limit.
    Show(show::Show),
    Limits(limits::Limits),
    /// Refuse the tenant's commands from now on; reads continue.
    Suspend(NamedTenant),
    /// Accept the tenant's commands again.
    Resume(NamedTenant),
    Export(export::Export),
    Remove(remove::Remove),
}

/// NamedTenant tenant, and the actor who decides about it.
#[derive(Args)]
struct NamedTenant {
    /// The tenant's name, such as acme.
    tenant: TenantName,
    /// Name of the person or program that does this. The host records it.
    #[arg(long)]
    actor: Option<String>,
    #[command(flatten)]
    connection: Connection,
}

impl Tenant {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.command {
            TenantCommand::Add(tenant) => tenant.change(output, (Method::PUT, &[]), ("is here now", "was here before")),
            TenantCommand::Export(export) => export.run(output),
            TenantCommand::Remove(remove) => remove.run(output),
            TenantCommand::List(list) => list.run(output),
            TenantCommand::Show(show) => show.run(output),
            TenantCommand::Limits(limits) => limits.run(output),
            TenantCommand::Suspend(tenant) => tenant.change(
                output,
                (Method::POST, &["suspend"]),
                ("is suspended: its commands are refused, reads go on", "was suspended before"),
            ),
            TenantCommand::Resume(tenant) => {
                tenant.change(output, (Method::POST, &["resume"]), ("takes commands again", "was not suspended"))
            }
        }
    }
}

impl NamedTenant {
    /// `messages` are two: the first for a change, the second if it was so before.
    fn change(self, output: &Output, (method, below): (Method, &[&str]), messages: (&str, &str)) -> Outcome {
        let answer = self.request(method, below, &[], Vec::new())?;
        let message = if answer["changed"] == true { messages.0 } else { messages.1 };
        output.answer(&answer, || format!("{} {message}", self.tenant))
    }

    fn request(
        &self,
        method: Method,
        below: &[&str],
        parameters: &[(&str, Option<String>)],
        body: Vec<u8>,
    ) -> Result<Value, Failure> {
        let client = Client::for_tenants(&self.connection)?;
        let segments = [&[self.tenant.as_str()], below].concat();
        let mut request = client.request_with(method, &segments, parameters).body(body);
        if let Some(actor) = &self.actor {
            request = request.header("actor", actor);
        }
        block_on(client.read(request))
    }
}
