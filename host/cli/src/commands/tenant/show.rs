//! `polder tenant list` and `polder tenant show`.

use clap::Args;
use polder_core::{TenantName, counted};
use serde_json::Value;

use crate::arguments::target::Connection;
use crate::client::{Client, block_on};
use crate::failure::Outcome;
use crate::output::Output;
use crate::text::revision::shortened;
use crate::text::times::rfc3339;

#[derive(Args)]
pub(super) struct List {
    #[command(flatten)]
    connection: Connection,
}

#[derive(Args)]
pub(super) struct Show {
    /// The tenant's name, such as acme.
    tenant: TenantName,
    #[command(flatten)]
    connection: Connection,
}

impl List {
    pub(super) fn run(self, output: &Output) -> Outcome {
        let client = Client::for_tenants(&self.connection)?;
        let answer: Value = block_on(client.read_list(&[], "tenants"))?;
        output.answer(&answer, || answer["tenants"].as_array().into_iter().flatten().map(line).collect())
    }
}

impl Show {
    pub(super) fn run(self, output: &Output) -> Outcome {
        let client = Client::for_tenants(&self.connection)?;
        let tenant: Value = block_on(client.read(client.get(&[self.tenant.as_str()], &[])))?;
        output.answer(&tenant, || describe(&tenant))
    }
}

fn line(tenant: &Value) -> String {
    let name = tenant["tenant"].as_str().unwrap_or_default();
    let domains = match domains(tenant).as_slice() {
        [] => "no domains".to_owned(),
        domains => domains.join(", "),
    };
    let suspended = if tenant["suspended"].is_null() { "" } else { ", suspended" };
    format!("{name}  {domains}, at position {}{suspended}\n", tenant["position"])
}

fn describe(tenant: &Value) -> String {
    let mut text = format!("{}\n", tenant["tenant"].as_str().unwrap_or_default());
    for (act, done) in [("added", "added"), ("suspended", "suspended")] {
        if let Some(at_ms) = tenant[act]["at_ms"].as_u64() {
            let by = tenant[act]["actor"].as_str().map(|actor| format!(" by {actor}")).unwrap_or_default();
            text.push_str(&format!("  {done} {}{by}\n", rfc3339(at_ms)));
        }
    }
    for domain in tenant["domains"].as_array().into_iter().flatten() {
        let revision = shortened(&domain["revision"]);
        text.push_str(&format!("  domain {}, revision {revision}\n", domain["domain"].as_str().unwrap_or_default()));
    }
    text.push_str(&format!("  position {}\n", tenant["position"]));
    text.push_str(&format!("  {} of records\n", counted(&tenant["record_bytes"], "byte")));
    text.push_str(&format!("  {} in flight\n", counted(&tenant["commands_in_flight"], "command")));
    text.push_str(&limits(tenant));
    text
}

/// Every limit, one per line.
pub(super) fn limits(tenant: &Value) -> String {
    let line = |limit: &Value| {
        let (name, value) = (limit["name"].as_str().unwrap_or_default(), &limit["value"]);
        let own = if limit["is_own"] == true { format!("default {}; ", limit["default"]) } else { String::new() };
        format!("  {name:<24} {value:>15}  {own}{}\n", limit["meaning"].as_str().unwrap_or_default())
    };
    tenant["limits"].as_array().into_iter().flatten().map(line).collect()
}

fn domains(tenant: &Value) -> Vec<&str> {
    let domains = tenant["domains"].as_array().into_iter().flatten();
    domains.filter_map(|domain| domain["domain"].as_str()).collect()
}
