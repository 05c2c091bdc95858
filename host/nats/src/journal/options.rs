//! The settings of a set of journals.

use std::path::PathBuf;

use polder_core::Journals;

use super::settings::JOURNAL_NAME;

/// Settings of a set of journals.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    pub name: String,
    /// Number of journals.
    pub journals: Journals,
    /// Number of servers that hold each frame: 1 or 3.
    pub replicas: usize,
    /// Accept that a power failure of the only server can lose acknowledged frames.
    pub accepts_unsynced: bool,
    /// Address of a server's monitoring, `http://host:8222`; by default port 8222 of the server that is connected.
    pub monitoring: Option<String>,
    /// The file with the secret that the hosts of the cluster share. The first host makes it.
    pub secret: PathBuf,
}

impl JournalOptions {
    /// Options for one journal on one server that syncs to disk.
    pub fn new(secret: PathBuf) -> Self {
        let (name, journals) = (JOURNAL_NAME.to_owned(), Journals::ONE);
        Self { name, journals, replicas: 1, accepts_unsynced: false, monitoring: None, secret }
    }
}
