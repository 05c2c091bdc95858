//! The reasons why a host does not start.

use std::path::PathBuf;

use polder_core::{Position, TenantName};

use crate::control::StreamError;

/// The reason why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Journal(#[from] polder_journal::OpenError),
    #[error("the sandbox cannot run here: {0}")]
    Sandbox(String),
    #[error("cannot use {}: {source}", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot read {what} back from the journal: {problem}")]
    History { what: &'static str, problem: String },
    /// An older copy of the journal was put in place, or its end was lost. The journal must contain everything that the
    /// views have folded.
    #[error(
        "the journal of tenant {tenant} ends at position {journal}, and its views have seen position {views}: events that were recorded are \
         missing; if an older copy of the journal was put in place on purpose, delete the folder {}: the views are rebuilt",
        folder.display()
    )]
    OlderJournal { tenant: TenantName, journal: Position, views: Position, folder: PathBuf },
    #[error("the host was stopped")]
    Stopped,
    #[error("cannot open the read models of tenant {tenant}: {problem}")]
    Views { tenant: TenantName, problem: String },
}

impl OpenError {
    pub(super) fn own_history(error: StreamError) -> Self {
        Self::History { what: "the host's own history", problem: error.to_string() }
    }
}
