//! Queries of read models and their answers: documents, effects and parked events.

use std::fmt;
use std::str::FromStr;

use polder_core::{DomainName, Event, MemoryReservation, Position, ProjectionName, Revision};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::read::SetAside;

/// Makes a query wait until the view has reached `position`.
#[derive(Debug, Clone, Copy)]
pub struct WaitFor {
    pub position: Position,
    /// Longest wait in wall-clock time, in milliseconds; 0 checks once.
    pub timeout_ms: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Document {
    pub key: String,
    pub document: Box<RawValue>,
    /// Events of the document that are not applied to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
}

/// The answer to a query for one document.
#[derive(Debug, Serialize)]
pub struct DocumentAnswer {
    /// The position up to which the view has folded the tenant's history.
    pub position: Position,
    pub key: String,
    pub document: Box<RawValue>,
    /// Events of the document that are not applied to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
    /// Events that the projection could not route: they may belong to this document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrouted: Option<SetAside>,
    /// Memory of the answer and its serialized text, reserved until the client has received it.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

#[derive(Debug, Serialize)]
pub struct DocumentPage {
    /// The position up to which the view has folded the tenant's history.
    pub position: Position,
    pub documents: Vec<Document>,
    /// The `offset` of the next page; `None` if there is none.
    pub next_offset: Option<u32>,
    /// Number of all matching documents, if the query asks for it and they could be counted in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Events that are not applied to the view's documents, whether or not the documents are on the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
    /// Memory of the answer and its serialized text, reserved until the client has received it.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

/// A query for documents of one projection. Fields are named by their path in the document, with dots: `customer.city`.
#[derive(Debug, Clone, Default)]
pub struct DocumentQuery {
    /// Fields and their values. All must match: numbers compare as numbers, points in time as such, everything else as
    /// text.
    pub filters: Vec<(String, String)>,
    /// The field to sort by. `None`: documents are sorted by their keys.
    pub order: Option<(String, Direction)>,
    /// The most documents of the page. `None`: `DOCUMENTS_PER_PAGE`.
    pub limit: Option<u32>,
    /// Number of documents to skip.
    pub offset: u32,
    /// Whether to count all matching documents.
    pub count: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// A cursor in the order of a domain's effects. It remains valid when all read models are rebuilt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EffectCursor {
    pub position: Position,
    /// Number of effects at the position that are before the cursor; `None` for all of them.
    pub index: Option<u32>,
}

/// The text is not a cursor of effects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a cursor of effects: give a position, or the \"next\" of an answer, as in 17.2")]
pub struct EffectCursorError(String);

impl FromStr for EffectCursor {
    type Err = EffectCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |_| EffectCursorError(text.to_owned());
        let (position, index) = match text.split_once('.') {
            Some((position, index)) => (position, Some(index.parse().map_err(wrong)?)),
            None => (text, None),
        };
        Ok(Self { position: Position(position.parse().map_err(wrong)?), index })
    }
}

impl fmt::Display for EffectCursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(formatter, "{}.{index}", self.position),
            None => write!(formatter, "{}", self.position),
        }
    }
}

impl Serialize for EffectCursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// An effect that a projection requested, recorded once per key.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedEffect {
    /// The `after` of the effects that follow.
    pub cursor: EffectCursor,
    /// Position of the event that caused the effect.
    pub position: Position,
    pub domain: DomainName,
    pub projection: ProjectionName,
    pub kind: String,
    pub target: String,
    pub key: String,
    pub payload: Box<RawValue>,
}

#[derive(Debug, Serialize)]
pub struct EffectPage {
    pub effects: Vec<RecordedEffect>,
    /// The `after` of the next request.
    pub next: EffectCursor,
    /// The position that all views of the domain have reached. Effects of later events are not visible yet.
    pub position: Position,
    pub has_more: bool,
    /// Memory of the answer and its serialized text, reserved until the client has received it.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ProjectionInfo {
    pub projection: ProjectionName,
    /// The revision whose documents readers see. It differs from the domain's revision during a rebuild.
    pub revision: Revision,
    pub position: Position,
    /// Whether the view is being built for the first time. Answers to readers report it.
    pub is_being_built: bool,
    /// Position of the rebuild; `None` if none is running.
    pub rebuilding: Option<Position>,
    /// Why the rebuilt view does not replace this one, if it does not.
    pub withheld: Option<String>,
    /// Number of parked events, including those that wait behind others.
    pub parked: u64,
    /// Why the view does not advance, if it does not.
    pub stalled: Option<String>,
}

/// The reason why an event is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkedKind {
    /// The projection failed on the event.
    Failed,
    /// The projection failed to return the documents that the event belongs to.
    Unrouted,
    /// The event waits behind an earlier one.
    Behind,
    /// An operator discarded the event: the view continues without it.
    Discarded,
}

impl ParkedKind {
    const ALL: [Self; 4] = [Self::Failed, Self::Unrouted, Self::Behind, Self::Discarded];

    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unrouted => "unrouted",
            Self::Behind => "behind",
            Self::Discarded => "discarded",
        }
    }

    /// The kind of this name. Unknown names count as failures, which are only retried on request.
    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Failed)
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct ParkedEvent {
    pub domain: DomainName,
    pub projection: ProjectionName,
    /// The revision whose view has parked the event.
    pub revision: Revision,
    /// Whether readers see that view; otherwise it is being built.
    pub is_live: bool,
    pub position: Position,
    /// Key of the document; `None` if the event could not be routed.
    pub key: Option<String>,
    pub kind: ParkedKind,
    pub reason: String,
    pub aggregate: String,
    pub aggregate_id: String,
    pub event: String,
    pub version: u32,
    /// Whether the event is about to be retried.
    pub is_due: bool,
}

#[derive(Debug, Serialize)]
pub struct ParkedPage {
    pub parked: Vec<ParkedEvent>,
    /// The `after` of the next page; `None` if there is none.
    pub next: Option<Position>,
    /// Memory of the answer and its serialized text, reserved until the client has received it.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

/// One event with its parked entries.
#[derive(Debug, Serialize)]
pub struct ParkedDetail {
    pub parked: Vec<ParkedEvent>,
    pub event: Event,
    /// Memory of the answer and its serialized text, reserved until the client has received it.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

/// Selects parked events. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct ParkedFilter {
    /// The domains of the events. `None`: all domains.
    pub domains: Option<Vec<DomainName>>,
    pub projection: Option<ProjectionName>,
    /// Key of a document; empty for events that could not be routed.
    pub key: Option<String>,
    pub position: Option<Position>,
    pub after: Option<Position>,
}

/// Result of retrying or discarding parked events.
#[derive(Debug, Clone, Serialize)]
pub struct ParkedChanged {
    /// Number of events that are retried or were discarded.
    pub events: u64,
}
