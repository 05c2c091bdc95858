//! Queries of states and events, and their answers.

use polder_core::{
    AggregateId, CorrelationId, DomainName, Event, EventName, MemoryReservation, Position, Revision, Sequence,
    TenantName, TimestampMs,
};
use serde::Serialize;
use serde_json::value::RawValue;

/// The point in time of an aggregate's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    Now,
    /// The state after this event of the aggregate.
    Sequence(Sequence),
    /// The state after the last event that the host had recorded at this time.
    Time(TimestampMs),
}

#[derive(Debug, Serialize)]
pub struct StateAnswer {
    pub sequence: Sequence,
    /// The revision that folded the state.
    pub revision: Revision,
    /// Time at which the last folded event was recorded.
    pub at_ms: TimestampMs,
    pub state: Box<RawValue>,
    /// Memory of the state and its serialized text, reserved until the client has received it.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub domain: Option<DomainName>,
    pub name: Option<EventName>,
    pub correlation_id: Option<CorrelationId>,
    pub aggregate_id: Option<AggregateId>,
    /// In the host's own history: only facts about this tenant.
    pub about: Option<TenantName>,
}

#[derive(Debug)]
pub struct EventPage {
    pub events: Vec<Event>,
    /// The position up to which the history was searched: the `after` of the next request.
    pub next: Position,
    /// Memory of the events and their serialized text, reserved until the client has received it.
    pub reserved: Option<MemoryReservation>,
}

/// A page of one aggregate's events.
#[derive(Debug)]
pub struct HistoryPage {
    pub events: Vec<Event>,
    /// Sequence of the last event returned; the next page begins after it.
    pub next: Sequence,
    /// Memory of the page, as in [`EventPage::reserved`].
    pub reserved: Option<MemoryReservation>,
}

/// Events that a projection could not apply, with the events that wait behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// Position of the first of these events: from there on something is missing.
    pub first: Position,
    pub events: u64,
}
