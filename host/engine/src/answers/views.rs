//! What is asked of read models, and what they answer: documents, effects, and events that are set aside.

use std::fmt;
use std::str::FromStr;

use polder_core::{DomainName, Event, MemoryReservation, Position, ProjectionName, Revision};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Answer only once the view has seen `position`.
#[derive(Debug, Clone, Copy)]
pub struct WaitFor {
    pub position: Position,
    /// Wall time; 0 looks once.
    pub timeout_ms: u64,
}

/// Events that a projection could not apply, and what queues behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// The position of the first of them: from there on something is missing.
    pub first: Position,
    pub events: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct Document {
    pub key: String,
    pub document: Box<RawValue>,
    /// Events of the document that are not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
}

/// The answer to a question for one document.
#[derive(Debug, Serialize)]
pub struct DocumentAnswer {
    /// The view has seen the tenant's history up to here.
    pub position: Position,
    pub key: String,
    pub document: Box<RawValue>,
    /// Events of the document that are not in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
    /// Events of which the projection could not say which document they belong to: it may be this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unrouted: Option<SetAside>,
    /// Memory of the answer and of the text made of it, until the client has taken that.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

#[derive(Debug, Serialize)]
pub struct DocumentPage {
    /// The view has seen the tenant's history up to here.
    pub position: Position,
    pub documents: Vec<Document>,
    /// The `offset` of the next page; `None` when there is none.
    pub next_offset: Option<u32>,
    /// All that match, where the question asks for their number and they could be counted in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Events that are in none of the view's documents, whether the page shows them or not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<SetAside>,
    /// Memory of the answer and of the text made of it, until the client has taken that.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

/// Documents of one projection. Fields are named by their path in the document, with dots: `customer.city`.
#[derive(Debug, Clone, Default)]
pub struct DocumentQuery {
    /// All must hold: numbers compare as numbers, points in time as such, all else as text.
    pub filters: Vec<(String, String)>,
    /// `None`: by key.
    pub order: Option<(String, Direction)>,
    /// `None`: `DOCUMENTS_PER_PAGE`.
    pub limit: Option<u32>,
    /// Skip this many.
    pub offset: u32,
    /// Count all that match.
    pub count: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

/// A place in the order of a domain's effects. It names the same place after everything that is derived was built anew.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EffectCursor {
    pub position: Position,
    /// Of the effects listed at the position, how many lie before the place; `None`: all of them.
    pub index: Option<u32>,
}

/// What is no place in the order of effects.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place among effects: a position would be right, or what an answer names as next, as in 17.2")]
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

/// Something a projection asked for, recorded once per key.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedEffect {
    /// The `after` of the effects that follow.
    pub cursor: EffectCursor,
    /// Of the event that it comes from.
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
    /// The `after` of the next question.
    pub next: EffectCursor,
    /// All views of the domain have come this far: effects of later events are not shown yet.
    pub position: Position,
    pub has_more: bool,
    /// Memory of the answer and of the text made of it, until the client has taken that.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ProjectionInfo {
    pub projection: ProjectionName,
    /// The revision whose documents readers see; another than the domain's while a rebuild runs.
    pub revision: Revision,
    pub position: Position,
    /// It is being built for the first time: readers are told so.
    pub is_being_built: bool,
    /// Where the rebuild stands, while one runs.
    pub rebuilding: Option<Position>,
    /// Why the rebuilt view does not take the place of this one, when it does not.
    pub withheld: Option<String>,
    /// Events set aside because the projection could not apply them, and those that queue behind them.
    pub parked: u64,
    /// Why it does not advance, when it does not.
    pub stalled: Option<String>,
}

/// Why an event is set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkedKind {
    /// The projection failed over it.
    Failed,
    /// The projection failed when it was asked which documents it belongs to.
    Unrouted,
    /// It waits for one that stands before it.
    Behind,
    /// An operator gave it up: the view goes on without it.
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

    /// What is no name counts as a failure, which is tried again only when it is asked for.
    pub(crate) fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(Self::Failed)
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct ParkedEvent {
    pub domain: DomainName,
    pub projection: ProjectionName,
    /// The revision whose view sets it aside.
    pub revision: Revision,
    /// Readers see that view; otherwise it is being built.
    pub is_live: bool,
    pub position: Position,
    /// The document; `None` where the projection could not say which.
    pub key: Option<String>,
    pub kind: ParkedKind,
    pub reason: String,
    pub aggregate: String,
    pub aggregate_id: String,
    pub event: String,
    pub version: u32,
    /// It is about to be tried again.
    pub is_due: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct ParkedPage {
    pub parked: Vec<ParkedEvent>,
    /// The `after` of the next page; `None` when there is none.
    pub next: Option<Position>,
}

/// One event that is set aside, with what is recorded of it.
#[derive(Debug, Clone, Serialize)]
pub struct ParkedDetail {
    pub parked: Vec<ParkedEvent>,
    pub event: Event,
}

/// Which events that are set aside are meant. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct ParkedFilter {
    /// `None`: of all domains.
    pub domains: Option<Vec<DomainName>>,
    pub projection: Option<ProjectionName>,
    /// Of one document; empty for events that could not be routed.
    pub key: Option<String>,
    pub position: Option<Position>,
    pub after: Option<Position>,
}

/// What becomes of events that are set aside.
#[derive(Debug, Clone, Serialize)]
pub struct ParkedChanged {
    /// Events that are tried again, or given up.
    pub events: u64,
}
