//! The location of the history, and the streams at NATS for it and for its events.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Args;
use polder_core::{JOURNALS_MAX, Journals};
use polder_nats::events::EventStreams;
use polder_nats::journal::{JOURNAL_NAME, JournalOptions};

/// Default file of the journal secret in a data folder, beside the private keys.
const JOURNAL_SECRET_FILE: &str = "keys/journal-secret";

/// Options of the streams in which a host publishes events at NATS.
#[derive(Debug, Clone, Args)]
pub(crate) struct StreamArguments {
    /// NATS servers that each hold a copy of a tenant's event stream.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "nats", value_parser = clap::value_parser!(u8).range(1..=5))]
    nats_replicas: u8,
}

/// The location of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum JournalLocation {
    /// In the data folder.
    File,
    /// In journals at NATS that several hosts share; the data folder holds copies.
    Jetstream,
}

/// Options of journals at NATS.
#[derive(Debug, Clone, Args)]
pub(crate) struct JournalArguments {
    /// The location of the history.
    #[arg(long, value_name = "LOCATION", default_value = "file", requires_if("jetstream", "nats"))]
    journal: JournalLocation,
    /// Number of journals. Tenants are divided among the journals, and the journals among the hosts. Fixed once they
    /// are made.
    #[arg(long, value_name = "N", default_value = "1", value_parser = journals)]
    journals: Journals,
    /// NATS servers that each hold a copy of a journal.
    #[arg(long, value_name = "1|3", default_value_t = 1, value_parser = clap::builder::TypedValueParser::map(clap::builder::PossibleValuesParser::new(["1", "3"]), |text| text.parse::<usize>().expect("a number")))]
    replicas: usize,
    /// Name of the set of journals at NATS. Hosts that use the same name share these journals.
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
        if self.journal == JournalLocation::File {
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

impl StreamArguments {
    pub(crate) fn options(&self) -> EventStreams {
        EventStreams { replicas: usize::from(self.nats_replicas) }
    }
}

fn journals(text: &str) -> Result<Journals, String> {
    let journals = text.parse().ok().and_then(Journals::new);
    journals.ok_or_else(|| format!("give a number from 1 to {JOURNALS_MAX}"))
}
