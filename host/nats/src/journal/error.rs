//! The reasons why a journal on JetStream cannot be used. Each message includes what to do.

use std::path::PathBuf;

use polder_core::{Journals, counted};
use polder_journal::{AppendError, FollowError, OpenError};

use crate::connect_error::ConnectError;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// Remedy: choose another name, or have the stream made anew.
    #[error(
        "stream {stream} exists with other settings: {problem}; change it with `nats stream edit`, or give this journal another name"
    )]
    OtherSettings { stream: String, problem: String },
    /// Remedy: ask for as many journals as there are.
    #[error(
        "journal set {set} is divided into {}, a number that cannot change, but this host was started with --journals {asked}: use --journals {there}, or choose another set with --journal-name",
        counted(.there, "journal")
    )]
    OtherCount { set: String, there: Journals, asked: Journals },
    /// Remedy: copy the file from a host that has it.
    #[error(
        "the journals {set} exist, but there is no file {} with the secret that their hosts share: copy the file from a host that serves them, or \
         name it with --journal-secret",
        file.display()
    )]
    NoSecret { set: String, file: PathBuf },
    #[error(
        "the secret in {} is not the secret of the journals {set}: replace the file by a copy from a host that serves them, or choose another set \
         with --journal-name",
        file.display()
    )]
    OtherSecret { set: String, file: PathBuf },
    #[error("cannot use the secret in {}: {source}", file.display())]
    BadSecret { file: PathBuf, source: std::io::Error },
    #[error("an acknowledgement would not mean durable: {problem}; {remedy}")]
    NotDurable { problem: String, remedy: String },
    /// Remedy: restore the stream from a copy.
    #[error("stream {stream} lost or changed frame {frame}: {what}; restore the stream from a backup")]
    Lost { stream: String, frame: u64, what: String },
    #[error("the copy of the journal on this machine cannot go on: {0}")]
    Copy(#[from] FollowError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error("JetStream did not {what}: {problem}")]
    Unavailable { what: String, problem: String },
    #[error("cannot {what} here: {source}")]
    Io { what: &'static str, source: std::io::Error },
}

impl JournalError {
    /// Whether the problem is temporary: the servers do not answer.
    pub fn passes(&self) -> bool {
        let is_away = |error: &ConnectError| {
            matches!(error, ConnectError::NoServer { .. } | ConnectError::NoJetStreamAnswer { .. })
        };
        match self {
            Self::Unavailable { .. } => true,
            Self::Connect(error) => is_away(error),
            _ => false,
        }
    }

    pub(crate) fn unavailable(what: impl Into<String>, problem: impl std::fmt::Display) -> Self {
        Self::Unavailable { what: what.into(), problem: problem.to_string() }
    }
}
