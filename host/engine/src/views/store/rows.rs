//! The rows of the store as types, and how their columns are read.

use polder_core::{ContentId, DomainName, Position, ProjectionName, Revision};

use crate::views::answers::ParkedKind;

pub(crate) type StoreResult<T> = Result<T, rusqlite::Error>;

/// Identifies the documents of one projection as built by one revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ViewId(pub(crate) i64);

#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) id: ViewId,
    pub(crate) domain: DomainName,
    pub(crate) projection: ProjectionName,
    pub(crate) revision: Revision,
    pub(crate) checkpoint: Position,
    /// Content id of the event at the checkpoint, if known.
    pub(crate) head: Option<ContentId>,
    pub(crate) live: bool,
    /// Whether the view has ever folded the whole history.
    pub(crate) built: bool,
}

/// Changes of one turn of a projection.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Key and content of changed documents; `None` for a removed document.
    pub(crate) documents: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) effects: Vec<NewEffect>,
    pub(crate) parked: Vec<Parked>,
    /// Parked events that are applied now.
    pub(crate) mended: Vec<(Position, String)>,
    pub(crate) checkpoint: Position,
    /// Content id of the event at the checkpoint. `None` if it is unknown, or if the checkpoint does not change.
    pub(crate) head: Option<ContentId>,
}

#[derive(Debug, Clone)]
pub(crate) struct NewEffect {
    /// Position of the event that caused the effect.
    pub(crate) position: u64,
    /// Key of the document.
    pub(crate) document: String,
    /// Number of the effect among those of one event on one document.
    pub(crate) ordinal: u32,
    pub(crate) kind: String,
    pub(crate) target: String,
    pub(crate) key: String,
    pub(crate) payload: String,
}

/// A queue of parked events: those of one document, or of one aggregate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Line {
    Document(String),
    /// An event of this aggregate could not be routed, so its document is unknown.
    Aggregate {
        aggregate: String,
        id: String,
    },
}

impl Line {
    /// The value of the column `key`.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Document(key) => key,
            Self::Aggregate { .. } => "",
        }
    }
}

/// A parked event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) position: Position,
    pub(crate) key: String,
    pub(crate) kind: ParkedKind,
    pub(crate) reason: String,
    pub(crate) aggregate: String,
    pub(crate) aggregate_id: String,
    pub(crate) event: String,
    pub(crate) version: u32,
}

pub(crate) fn parsed<T: std::str::FromStr>(column: usize, text: &str) -> StoreResult<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text.parse().map_err(|error| unreadable(column, error))
}

pub(crate) fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
}
