//! What the host is asked and what it answers, apart from commands.

use polder_core::translation::Rules;
use polder_core::{
    AggregateId, CorrelationId, Descriptor, DomainName, Event, EventName, MemoryReservation, Position, Revision,
    Sequence, TenantName, TimestampMs,
};
use serde::Serialize;
use serde_json::value::RawValue;

mod views;

pub use views::*;

use crate::gate::Verdict;
pub use crate::tenants::Act;

/// Which past of an aggregate is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsOf {
    Now,
    /// After this event of the aggregate.
    Sequence(Sequence),
    /// After the last event that the host had recorded by then.
    Time(TimestampMs),
}

#[derive(Debug, Serialize)]
pub struct StateAnswer {
    pub sequence: Sequence,
    /// The revision that folded the state.
    pub revision: Revision,
    /// When the last event folded in was recorded.
    pub at_ms: TimestampMs,
    pub state: Box<RawValue>,
    /// Memory of the state and of the text made of it, until the client has taken that.
    #[serde(skip)]
    pub reserved: Option<MemoryReservation>,
}

#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub domain: Option<DomainName>,
    pub name: Option<EventName>,
    pub correlation_id: Option<CorrelationId>,
    pub aggregate_id: Option<AggregateId>,
    /// In the host's own history: only what was decided about this tenant.
    pub about: Option<TenantName>,
}

#[derive(Debug)]
pub struct EventPage {
    pub events: Vec<Event>,
    /// Everything up to here has been looked at: the `after` of the next question.
    pub next: Position,
    /// Memory of the events and of the text made of them, until the client has taken that.
    pub reserved: Option<MemoryReservation>,
}

/// Some of one aggregate's events.
#[derive(Debug)]
pub struct HistoryPage {
    pub events: Vec<Event>,
    /// Everything up to here was given; the next page begins after it.
    pub next: Sequence,
    /// As with [`EventPage::reserved`].
    pub reserved: Option<MemoryReservation>,
}

/// A key that tokens are signed with, as far as the host knows it.
#[derive(Debug, Clone, Serialize)]
pub struct AccessKey {
    pub id: AggregateId,
    pub public_key: String,
    pub added_at_ms: TimestampMs,
    pub added_by: Option<String>,
    /// `None`: it counts.
    pub revoked: Option<Revocation>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Revocation {
    pub at_ms: TimestampMs,
    pub by: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeployStatus {
    Activated,
    AlreadyActive,
    RolledBack,
    /// Only judged, as was asked.
    WouldPass,
}

#[derive(Debug, Clone, Serialize)]
pub struct Deployed {
    pub status: DeployStatus,
    pub domain: DomainName,
    pub revision: Revision,
    pub previous: Option<Revision>,
    /// What was checked before, each in a few words.
    pub checks: Vec<String>,
    /// What the gate found; `None` when there was nothing to judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

#[derive(Debug, Clone, Serialize)]
pub struct DomainInfo {
    pub domain: DomainName,
    pub revision: Revision,
    pub descriptor: Descriptor,
    pub projections: Vec<ProjectionInfo>,
}

/// A tenant, and what it has and may.
#[derive(Debug, Clone, Serialize)]
pub struct TenantInfo {
    pub tenant: TenantName,
    /// Its key cannot be used: nothing of it can be read or recorded until the operator has restored it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unavailable: bool,
    /// `None` for the tenant that every host begins with.
    pub added: Option<Act>,
    /// Commands are refused since then.
    pub suspended: Option<Act>,
    pub domains: Vec<DomainRevision>,
    pub position: Position,
    /// What its records take in the journal.
    pub record_bytes: u64,
    /// What its read models take; 0 as long as they were not used since the start.
    pub view_bytes: u64,
    pub commands_in_flight: u64,
    pub limits: Vec<LimitInfo>,
}

#[derive(Debug, Clone, Serialize)]
pub struct DomainRevision {
    pub domain: DomainName,
    pub revision: Revision,
}

#[derive(Debug, Clone, Serialize)]
pub struct LimitInfo {
    pub name: &'static str,
    pub value: u64,
    pub default: u64,
    /// Set for this tenant, not the default.
    pub is_own: bool,
    pub meaning: &'static str,
}

/// What an administrative act left behind.
#[derive(Debug, Clone, Serialize)]
pub struct TenantChanged {
    /// `false`: it was so before, and nothing was recorded.
    pub changed: bool,
    #[serde(flatten)]
    pub tenant: TenantInfo,
}

#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// Commands are taken.
    pub writable: bool,
    /// Why not, when not.
    pub reason: Option<String>,
    /// What is out of service, while everything else is served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<Degraded>,
}

/// A tenant, or one domain of it, that is not served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Degraded {
    pub tenant: TenantName,
    /// `None`: all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainName>,
    /// In words that may leave the host: where its files lie is in the log.
    pub problem: String,
}

/// The rules of a tenant's context bridge.
#[derive(Debug, Clone, Serialize)]
pub struct BridgeInfo {
    pub tenant: TenantName,
    pub rules: Rules,
    /// They hold for events after this position.
    pub after: Position,
    /// `None`: none was ever set.
    pub set: Option<Act>,
}

#[derive(Debug, Clone, Serialize)]
pub struct BridgeChanged {
    /// `false`: they were the same before, and nothing was recorded.
    pub changed: bool,
    #[serde(flatten)]
    pub bridge: BridgeInfo,
}
