//! `polder token show`: prints the claims of a token. Only the host knows whether it accepts the token.

use std::io::Read;

use anyhow::Context;
use clap::Args;
use polder_access::{Claims, KeyId};
use polder_core::access::Pattern;

use crate::failure::Outcome;
use crate::output::Output;
use crate::text::times::rfc3339;

/// Show the claims of a token without checking whether it is valid.
#[derive(Args)]
pub(crate) struct Show {
    /// The token, or - for stdin.
    #[arg(env = "POLDER_TOKEN", hide_env_values = true)]
    token: String,
}

impl Show {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let mut token = self.token;
        if token == "-" {
            token.clear();
            std::io::stdin().read_to_string(&mut token).context("cannot read the token from stdin")?;
        }
        let (key, claims) = Claims::unverified(token.trim()).context("that is not a Polder token")?;
        let answer = serde_json::json!({ "key": key, "claims": claims });
        output.answer(&answer, || describe(&key, &claims))
    }
}

fn describe(key: &KeyId, claims: &Claims) -> String {
    let time = |at_s: u64| rfc3339(at_s.saturating_mul(1_000));
    let mut text = format!("{} for {}, says {key}\n", claims.actor, claims.scope);
    text.push_str(&format!("issued {}, expires {}\n", time(claims.issued_at_s), time(claims.expires_at_s)));
    let mut list = |what: &str, patterns: &[Pattern]| {
        for pattern in patterns {
            text.push_str(&format!("  {what} {pattern}\n"));
        }
    };
    list("may publish on   ", &claims.publish);
    list("may subscribe to ", &claims.subscribe);
    list("never            ", &claims.deny);
    text
}
