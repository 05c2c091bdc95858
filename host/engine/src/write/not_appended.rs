//! The reasons why records are not in the journal.

use polder_journal::AppendError;

use crate::tenancy::SubmitError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotAppended {
    /// Nothing is appended any more: the journal failed before, or the host shuts down. None of the records was
    /// written.
    #[error("{0}")]
    Halted(String),
    /// The journal failed while the records were written: some of them may be durable. Nothing is appended any more.
    #[error("{0}")]
    HalfWay(String),
    /// Nothing is appended at present. None of the records is in the journal, and the states that they were decided on
    /// must be rebuilt.
    #[error("{reason}")]
    NoRoom { reason: String, is_disk_full: bool },
    /// Like `NoRoom`, but some of the records are in the journal.
    #[error("{0}")]
    Partly(String),
}

impl NotAppended {
    /// Classifies an error after which appending may work again; `None` for other errors.
    pub(super) fn for_now(error: &AppendError) -> Option<Self> {
        match error {
            AppendError::NoRoom { source, .. } => {
                let is_disk_full = source.kind() == std::io::ErrorKind::StorageFull;
                Some(Self::NoRoom { reason: with_causes(error), is_disk_full })
            }
            _ => None,
        }
    }
}

/// Why a record is refused while the others of its append are durable.
pub(super) const NO_KEY: &str = "the key of the tenant cannot be used";

impl From<NotAppended> for SubmitError {
    fn from(why: NotAppended) -> Self {
        match why {
            NotAppended::Halted(reason) => Self::ReadOnly(reason),
            NotAppended::HalfWay(reason) | NotAppended::Partly(reason) => {
                Self::OutcomeUnknown { command_id: None, reason }
            }
            NotAppended::NoRoom { reason, is_disk_full } => Self::NoRoom { reason, is_disk_full },
        }
    }
}

/// The text of the error with all its causes.
pub(super) fn with_causes(error: &AppendError) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = format!("{reason}: {cause}");
        source = cause.source();
    }
    reason
}
