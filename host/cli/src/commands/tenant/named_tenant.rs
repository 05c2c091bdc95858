//! The tenant that a command names, and the request that changes it.

use clap::Args;
use polder_core::TenantName;
use reqwest::Method;
use serde_json::Value;

use crate::arguments::target::Connection;
use crate::client::{Client, block_on};
use crate::failure::{Failure, Outcome};
use crate::output::Output;

/// A tenant, and the actor who decides about it.
#[derive(Args)]
pub(super) struct NamedTenant {
    /// The tenant's name, such as acme.
    pub(super) tenant: TenantName,
    /// Name of the person or program that does this. The host records it.
    #[arg(long)]
    pub(super) actor: Option<String>,
    #[command(flatten)]
    pub(super) connection: Connection,
}

impl NamedTenant {
    /// `messages` are two: the first for a change, the second if it was so before.
    pub(super) fn change(self, output: &Output, (method, below): (Method, &[&str]), messages: (&str, &str)) -> Outcome {
        let answer = self.request(method, below, &[], Vec::new())?;
        let message = if answer["changed"] == true { messages.0 } else { messages.1 };
        output.answer(&answer, || format!("{} {message}", self.tenant))
    }

    pub(super) fn request(
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
