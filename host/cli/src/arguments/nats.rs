//! How to reach NATS, and with which credentials.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use polder_nats::{ConnectOptions, Credentials, Tls};

/// The variable that holds the password of the NATS user.
const PASSWORD: &str = "POLDER_NATS_PASSWORD";

#[derive(Debug, Clone, Args)]
#[group(id = "nats-options")]
pub(crate) struct NatsArguments {
    /// Comma-separated URLs of one NATS server, or of several in one cluster: nats://127.0.0.1:4222.
    #[arg(long, env = "POLDER_NATS", value_name = "URL")]
    nats: Option<String>,
    /// User name. The password comes from POLDER_NATS_PASSWORD or from a file.
    #[arg(long, value_name = "NAME", requires = "nats", conflicts_with_all = ["nats_nkey", "nats_credentials"])]
    nats_user: Option<String>,
    /// A file that holds the password and nothing else.
    #[arg(long, value_name = "FILE", requires = "nats_user")]
    nats_password_file: Option<PathBuf>,
    /// A file with the seed of an NKey.
    #[arg(long, value_name = "FILE", requires = "nats", conflicts_with = "nats_credentials")]
    nats_nkey: Option<PathBuf>,
    /// A file with a JWT and its seed, as `nsc` writes it.
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_credentials: Option<PathBuf>,
    /// A file with the certificates of authorities to trust, in addition to the system's.
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_authorities: Option<PathBuf>,
    /// A file with the client certificate to present.
    #[arg(long, value_name = "FILE", requires = "nats_key")]
    nats_certificate: Option<PathBuf>,
    /// A file with the certificate's private key.
    #[arg(long, value_name = "FILE", requires = "nats_certificate")]
    nats_key: Option<PathBuf>,
    /// Also answer clients whose inboxes begin with this prefix; `_INBOX` is always answered. May be repeated.
    #[arg(long, value_name = "PREFIX", requires = "nats")]
    nats_inbox_prefix: Vec<String>,
}

impl NatsArguments {
    /// Returns `None` if NATS is not used.
    pub(crate) fn options(&self) -> anyhow::Result<Option<ConnectOptions>> {
        let Some(urls) = &self.nats else { return Ok(None) };
        let tls = Tls {
            authorities: self.nats_authorities.clone(),
            certificate: self.nats_certificate.clone().zip(self.nats_key.clone()),
        };
        Ok(Some(ConnectOptions {
            urls: urls.clone(),
            credentials: self.credentials()?,
            tls,
            inbox_prefixes: self.nats_inbox_prefix.clone(),
            ..ConnectOptions::default()
        }))
    }

    fn credentials(&self) -> anyhow::Result<Credentials> {
        if let Some(file) = &self.nats_nkey {
            return Ok(Credentials::NKey(file.clone()));
        }
        if let Some(file) = &self.nats_credentials {
            return Ok(Credentials::File(file.clone()));
        }
        let Some(user) = &self.nats_user else { return Ok(Credentials::None) };
        let password = match &self.nats_password_file {
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
                text.trim_end_matches(['\r', '\n']).to_owned()
            }
            None => std::env::var(PASSWORD).with_context(|| {
                format!("no password for NATS user {user:?}: set {PASSWORD}, or name a file with --nats-password-file")
            })?,
        };
        Ok(Credentials::UserPassword { user: user.clone(), password })
    }
}
