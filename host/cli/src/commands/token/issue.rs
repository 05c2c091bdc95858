//! `polder token issue`: makes a token. It needs no host: a private key that the host knows is enough.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow, bail};
use clap::Args;
use polder_access::{Claims, KeyFolder, KeyId, SigningKey};
use polder_core::TenantName;
use polder_core::access::{Pattern, Scope};
use serde_json::json;

use super::lifetime::Lifetime;
use crate::failure::Outcome;
use crate::output::Output;
use crate::text::times::rfc3339;

/// Make a token that names its holder, and the subjects that the holder may publish on and subscribe to.
///
/// Patterns are those of NATS: * matches one token, > at the end matches one or more. Denied subjects win over allowed
/// ones.
#[derive(Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    scope: TokenScope,
    /// Name of the holder, which becomes the actor of all that is done with the token.
    #[arg(long)]
    actor: String,
    /// Subjects of commands, queries and administration: acme.cmd.orders.>, acme.query.>, acme.admin.deploy.orders.
    #[arg(long, value_name = "PATTERN")]
    allow_publish: Vec<Pattern>,
    /// Subjects of events, such as acme.orders.>.
    #[arg(long, value_name = "PATTERN")]
    allow_subscribe: Vec<Pattern>,
    /// Subjects for neither, whatever is allowed.
    #[arg(long, value_name = "PATTERN")]
    deny: Vec<Pattern>,
    /// Lifetime of the token: 30d, 12h, 90m.
    #[arg(long, value_name = "TIME", default_value = "30d")]
    expires: Lifetime,
    /// A data folder that holds a private key.
    #[arg(long, value_name = "DIR", conflicts_with = "key_file", required_unless_present = "key_file")]
    data: Option<PathBuf>,
    /// The key to sign with, if the data folder holds several.
    #[arg(long, value_name = "KEY", requires = "data")]
    key: Option<KeyId>,
    /// A file with the private key.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct TokenScope {
    /// Make a token for this tenant only, whatever the patterns allow.
    #[arg(long)]
    tenant: Option<TenantName>,
    /// Make a token for the host as a whole, for its operators.
    #[arg(long)]
    operator: bool,
}

impl Issue {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let key = self.signing_key()?;
        let issued_at_s = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs();
        let claims = Claims {
            scope: self.scope.tenant.map_or(Scope::Host, Scope::Tenant),
            actor: self.actor,
            issued_at_s,
            expires_at_s: issued_at_s.saturating_add(self.expires.seconds),
            publish: self.allow_publish,
            subscribe: self.allow_subscribe,
            deny: self.deny,
        };
        let token = claims.sign(&key)?;
        let expires_at = rfc3339(claims.expires_at_s.saturating_mul(1_000));
        output.answer(&json!({ "token": token, "key": key.id(), "expires_at": expires_at }), || token.clone())
    }

    fn signing_key(&self) -> anyhow::Result<SigningKey> {
        if let Some(file) = &self.key_file {
            return Ok(KeyFolder::read_file(file)?);
        }
        let data = self.data.as_ref().context("a key is needed: --data DIR or --key-file FILE")?;
        let folder = KeyFolder::of_data(data);
        if let Some(key) = &self.key {
            return Ok(folder.read(key)?);
        }
        match folder.list()?.as_slice() {
            [key] => Ok(folder.read(key)?),
            [] => Err(anyhow!("{0} holds no private key: `polder token key new --data {0}` makes one", data.display())),
            several => {
                let names: Vec<&str> = several.iter().map(KeyId::as_str).collect();
                bail!("{} holds several private keys: choose one with --key: {}", data.display(), names.join(", "))
            }
        }
    }
}
