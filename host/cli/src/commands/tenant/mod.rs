//! `polder tenant`: manages the tenants of a host and their limits.

mod export;
mod limits;
mod named_tenant;
mod remove;
mod show;

use clap::{Args, Subcommand};
use reqwest::Method;

use self::named_tenant::NamedTenant;
use crate::failure::Outcome;
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
