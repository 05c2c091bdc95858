//! One or several servers, and hosts' folders beside them: the only access of these tests to the journal's JetStream
//! back end.

use std::path::{Path, PathBuf};

use polder_core::JournalNumber;
use polder_journal::{Follower, OpenReport, Reader, Writer};
use polder_journal_contract::model::{SEALED, small, tenant};
use polder_nats::ConnectOptions;
use polder_nats::journal::{JournalError, JournalLink, JournalOptions};
use polder_tests::{NatsOptions, NatsServer};

/// These tests check frames in a stream, not disks: syncing would only make them slow.
pub(crate) fn unsynced(server: &NatsServer) -> JournalOptions {
    JournalOptions { accepts_unsynced: true, ..JournalOptions::new(secret_file(server)) }
}

/// All hosts of a server are one cluster.
pub(crate) fn secret_file(server: &NatsServer) -> PathBuf {
    server.folder().join("journal-secret")
}

pub(crate) fn server() -> NatsServer {
    NatsServer::start_with(NatsOptions::default())
}

pub(crate) fn connect(url: &str) -> ConnectOptions {
    ConnectOptions { urls: url.to_owned(), ..ConnectOptions::default() }
}

pub(crate) fn link(server: &NatsServer) -> JournalLink {
    JournalLink::open(&connect(&server.url()), &unsynced(server), JournalNumber::FIRST).unwrap()
}

pub(crate) fn open_copy(link: &JournalLink, dir: &Path) -> Result<(Follower, Reader, OpenReport), JournalError> {
    let opened = link.open_copy(dir, small())?;
    opened.1.keys().create(&tenant(SEALED)).unwrap();
    Ok(opened)
}

pub(crate) fn lead(link: &JournalLink, dir: &Path) -> Result<(Writer, Reader, OpenReport), JournalError> {
    let (mut follower, reader, report) = open_copy(link, dir)?;
    link.claim(&mut follower)?;
    Ok((link.writer(follower)?, reader, report))
}
