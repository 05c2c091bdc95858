//! How to reach NATS, and with which credentials.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Args;
use polder_core::{JOURNALS_MAX, Journals};
use polder_nats::events::EventStreams;
use polder_nats::journal::{JOURNAL_NAME, JournalOptions};
use polder_nats::{ConnectOptions, Credentials, Tls};

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

/// Options of the streams in which a host publishes events at NATS.
#[derive(Debug, Clone, Args)]
pub(crate) struct StreamArguments {
    /// NATS servers that each hold a copy of a tenant's event stream.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "nats", value_parser = clap::value_parser!(u8).range(1..=5))]
    nats_replicas: u8,
}

/// Default file of the journal secret in a data folder, beside the private keys.
const JOURNAL_SECRET_FILE: &str = "keys/journal-secret";

/// The place of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum JournalPlace {
    /// In the data folder.
    File,
    /// In journals at NATS that several hosts share; the data folder holds copies.
    Jetstream,
}

/// Options of journals at NATS.
#[derive(Debug, Clone, Args)]
pub(crate) struct JournalArguments {
    /// The place of the history.
    #[arg(long, value_name = "PLACE", default_value = "file", requires_if("jetstream", "nats"))]
    journal: JournalPlace,
    /// Number of journals. Tenants are divided among the journals, and the journals among the hosts. Fixed once they
    /// are made.
    #[arg(long, value_name = "N", default_value = "1", value_parser = journals)]
    journals: Journals,
    /// NATS servers that each hold a copy of a journal.
    #[arg(long, value_name = "1|3", default_value_t = 1, value_parser = clap::builder::TypedValueParser::map(clap::builder::PossibleValuesParser::new(["1", "3"]), |text| text.parse::<usize>().expect("a number")))]
    replicas: usize,
    /// Name of the journals at NATS. Hosts with the same name share the journals.
    #[arg(long, value_name = "NAME", default_value = JOURNAL_NAME)]
    journal_name: String,
    /// URL of the NATS server's monitoring, which reports whether it syncs; by default port 8222 of the server.
    #[arg(long, value_name = "URL")]
    nats_monitoring: Option<String>,
    /// The file with the secret that the hosts of the cluster share. The first host makes it, and the others need a
    /// copy. By default `keys/journal-secret` in the data folder.
    #[arg(long, value_name = "FILE")]
    journal_secret: Option<PathBuf>,
    /// Acknowledge commands that a single server has not synced: a power failure there can lose them.
    #[arg(long)]
    accept_unsynced: bool,
}

impl JournalArguments {
    /// Returns `None` if the journal is in the data folder.
    pub(crate) fn options(&self, data: &Path) -> anyhow::Result<Option<JournalOptions>> {
        if self.journal == JournalPlace::File {
            ensure!(
                self.journals == Journals::ONE,
                "a data folder holds one journal: leave --journals out, or keep them at NATS with --journal jetstream"
            );
            return Ok(None);
        }
        Ok(Some(JournalOptions {
            name: self.journal_name.clone(),
            journals: self.journals,
            replicas: self.replicas,
            accepts_unsynced: self.accept_unsynced,
            monitoring: self.nats_monitoring.clone(),
            secret: self.journal_secret.clone().unwrap_or_else(|| data.join(JOURNAL_SECRET_FILE)),
        }))
    }
}

fn journals(text: &str) -> Result<Journals, String> {
    let journals = text.parse().ok().and_then(Journals::new);
    journals.ok_or_else(|| format!("give a number from 1 to {JOURNALS_MAX}"))
}

impl StreamArguments {
    pub(crate) fn options(&self) -> EventStreams {
        EventStreams { replicas: usize::from(self.nats_replicas) }
    }
}

const PASSWORD: &str = "POLDER_NATS_PASSWORD";

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

/// Without access keys no client is authenticated, so NATS may carry only what comes from this machine.
pub(crate) fn check_reach(has_keys: bool, options: &ConnectOptions) -> anyhow::Result<()> {
    if has_keys {
        return Ok(());
    }
    for url in options.urls.split(',') {
        if !is_loopback(url.trim()) {
            bail!(
                "without access keys a host serves loopback only, and every client that reaches {} could send it commands: make a key with \
                 `polder token key new`",
                without_password(url.trim())
            );
        }
    }
    Ok(())
}

fn is_loopback(url: &str) -> bool {
    let address = without_password(url);
    let address = address.split_once("://").map_or(address.as_str(), |(_, rest)| rest);
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => address.split([':', '/']).next().unwrap_or_default(),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn without_password(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((head, address)) => match head.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://{address}"),
            None => address.to_owned(),
        },
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_keys_nats_is_on_this_machine() {
        let check = |has_keys, urls: &str| {
            check_reach(has_keys, &ConnectOptions { urls: urls.to_owned(), ..ConnectOptions::default() })
        };
        for urls in ["nats://127.0.0.1:4222", "localhost", "tls://ann:a@b@127.0.0.1:4222, nats://[::1]:4222"] {
            assert!(check(false, urls).is_ok(), "{urls}");
        }
        for urls in ["nats://nats.example:4222", "nats://127.0.0.1:4222,10.0.0.1", "nats://localhost@10.0.0.1"] {
            assert!(check(true, urls).is_ok(), "{urls}");
            assert!(check(false, urls).unwrap_err().to_string().contains("polder token key new"), "{urls}");
        }
        assert!(!check(false, "nats://ann:secret@10.0.0.1").unwrap_err().to_string().contains("secret"));
    }
}
