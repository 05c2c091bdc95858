//! The contract of every back end of the journal, on JetStream.

use polder_journal::{OpenReport, Reader, Writer};
use polder_journal_contract::Place;
use polder_tests::NatsServer;
use tempfile::TempDir;

use super::site::{lead, link, server};

struct JetStream(NatsServer, TempDir);

impl Place for JetStream {
    fn open(&self) -> (Writer, Reader, OpenReport) {
        lead(&link(&self.0), self.1.path()).unwrap()
    }
}

polder_journal_contract::contract!(JetStream(server(), tempfile::tempdir().unwrap()));
