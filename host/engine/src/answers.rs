//! Requests to the host and its answers, apart from commands.

use polder_core::translation::Rules;
use polder_core::{
    AggregateId, CorrelationId, Descriptor, DomainName, Event, EventName, MemoryReservation, Position, Revision,
    Sequence, TenantName, TimestampMs,
};
use serde::Serialize;
use serde_json::value::RawValue;

mod views;

pub use views::*;

use crate::revision_check::Verdict;
pub use crate::tenants::Act;

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

/// A key that access tokens are signed with, as recorded.
#[derive(Debug, Clone, Serialize)]
pub struct AccessKey {
    pub id: AggregateId,
    pub public_key: String,
    pub added_at_ms: TimestampMs,
    pub added_by: Option<String>,
    /// `None` if the key is valid.
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
    /// The revision was only checked, as requested.
    WouldPass,
}

#[derive(Debug, Clone, Serialize)]
pub struct Deployed {
    pub status: DeployStatus,
    pub domain: DomainName,
    pub revision: Revision,
    pub previous: Option<Revision>,
    /// The checks that were made before, each as a short text.
    pub checks: Vec<String>,
    /// The result of the gate; `None` if there was nothing to check.
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

/// A tenant, with its data sizes and limits.
#[derive(Debug, Clone, Serialize)]
pub struct TenantInfo {
    pub tenant: TenantName,
    /// Whether its key is unusable. Then its records can be neither read nor written until the operator has restored
    /// the key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unavailable: bool,
    /// `None` for the tenant that every host begins with.
    pub added: Option<Act>,
    /// Since when its commands are refused, and by whose act; `None` if it is not suspended.
    pub suspended: Option<Act>,
    pub domains: Vec<DomainRevision>,
    pub position: Position,
    /// Size of its records in the journal, in bytes.
    pub record_bytes: u64,
    /// Size of its read models, in bytes; 0 if they were not used since the start.
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
    /// Whether the value was set for this tenant.
    pub is_own: bool,
    pub meaning: &'static str,
}

/// Result of an administrative act.
#[derive(Debug, Clone, Serialize)]
pub struct TenantChanged {
    /// `false` if the tenant was in this state before; then nothing was recorded.
    pub changed: bool,
    #[serde(flatten)]
    pub tenant: TenantInfo,
}

#[derive(Debug, Clone, Serialize)]
pub struct Writability {
    /// Whether commands are taken.
    pub writable: bool,
    /// Why commands are not taken, if so.
    pub reason: Option<String>,
    /// Parts that are out of service while everything else is served.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub degraded: Vec<Degraded>,
}

/// A tenant, or one of its domains, that is out of service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Degraded {
    pub tenant: TenantName,
    /// `None` for the whole tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<DomainName>,
    /// A description that may leave the host. Paths of files are only in the log.
    pub problem: String,
}

/// The rules of a tenant's context bridge.
#[derive(Debug, Clone, Serialize)]
pub struct BridgeInfo {
    pub tenant: TenantName,
    pub rules: Rules,
    /// The rules apply to events after this position.
    pub after: Position,
    /// `None` if no rules were ever set.
    pub set: Option<Act>,
}

#[derive(Debug, Clone, Serialize)]
pub struct BridgeChanged {
    /// `false` if the rules were the same before; then nothing was recorded.
    pub changed: bool,
    #[serde(flatten)]
    pub bridge: BridgeInfo,
}
