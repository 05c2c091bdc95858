//! The reasons why a query has no answer.

use polder_core::{
    AggregateId, AggregateName, DomainName, MemoryExhausted, Position, ProjectionName, Revision, Sequence, TenantName,
};
use polder_journal::RecordError;

use super::answers::SetAside;
use crate::tenancy::{MEMORY_RETRY_MS, SYSTEM_TENANT, others, out_of_service};

/// Retry interval for reads that were refused because too many were waiting, in milliseconds.
pub const READ_RETRY_MS: u64 = 1_000;

/// The reason why a query has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    #[error("tenant {SYSTEM_TENANT:?} is the host's own history: it has events, but no states and no views")]
    SystemTenant,
    #[error("there is no tenant {0:?} here")]
    UnknownTenant(TenantName),
    #[error("tenant {tenant:?} has no domain {domain:?}{}", others(known))]
    UnknownDomain { tenant: TenantName, domain: DomainName, known: Vec<DomainName> },
    #[error("domain {domain:?} has no aggregate {aggregate:?}{}", others(known))]
    UnknownAggregate { domain: DomainName, aggregate: AggregateName, known: Vec<AggregateName> },
    #[error("domain {domain:?} has no projection {projection:?}{}", others(known))]
    UnknownProjection { domain: DomainName, projection: ProjectionName, known: Vec<ProjectionName> },
    #[error("tenant {tenant:?} has no component of revision {revision}")]
    UnknownRevision { tenant: TenantName, revision: Revision },
    #[error("{aggregate} {id:?} has no event{when}")]
    NoSuchAggregate { aggregate: AggregateName, id: AggregateId, when: String },
    #[error("{aggregate} {id:?} has no sequence {asked}; its newest is {newest}")]
    NoSuchSequence { aggregate: AggregateName, id: AggregateId, asked: Sequence, newest: Sequence },
    #[error("projection {projection:?} has no document {key:?}, as of position {position}{}", missing(set_aside))]
    NoSuchDocument { projection: ProjectionName, key: String, position: Position, set_aside: Option<SetAside> },
    /// The view has not folded the whole history yet, and the query names no position that the view has reached.
    #[error(
        "projection {projection:?} is being built, at {reached} of {newest}: ask again, or with \"after\" for a position that it has reached"
    )]
    BeingBuilt { projection: ProjectionName, reached: Position, newest: Position },
    #[error("no event that matches is set aside at position {0}")]
    NothingParked(Position),
    #[error("{0}")]
    TooSlow(String),
    #[error("{0}")]
    BadQuery(String),
    /// The view did not reach the position in time; it is at `reached`.
    #[error(
        "the view is at position {reached}, not yet at {asked}{}: ask again, or with a longer timeout",
        because(why)
    )]
    Behind { asked: Position, reached: Position, why: Option<String> },
    #[error("domain {domain:?}, revision {}: {reason}", revision.short())]
    GuestFault { domain: DomainName, revision: Revision, reason: String },
    /// The host has no memory left for this query.
    #[error("{0}: try again in {MEMORY_RETRY_MS} ms")]
    MemoryExhausted(MemoryExhausted),
    #[error(
        "tenant {tenant:?} has too many reads under way: the host's limit {limit} is {value}; try again in {READ_RETRY_MS} ms"
    )]
    Busy { tenant: TenantName, limit: &'static str, value: u64 },
    #[error("the host has too many reads under way: its limit {limit} is {value}; try again in {READ_RETRY_MS} ms")]
    HostBusy { limit: &'static str, value: u64 },
    /// Retrying would take as long again.
    #[error("the read took more than {ms_max} ms of CPU time (limit read_cpu_ms_max): ask for less at a time")]
    TooLong { ms_max: u64 },
    #[error("the host is shutting down")]
    ShuttingDown,
    #[error("domain {domain:?}, revision {}, is out of service: {reason}", revision.short())]
    DomainUnavailable { domain: DomainName, revision: Revision, reason: String },
    #[error("{}", out_of_service(.0))]
    TenantUnavailable(TenantName),
    #[error("the host cannot read its data: {0}")]
    Storage(String),
}

fn because(why: &Option<String>) -> String {
    why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
}

fn missing(set_aside: &Option<SetAside>) -> String {
    let Some(SetAside { first, .. }) = set_aside else { return String::new() };
    format!("; from position {first} on events are set aside that may belong to it")
}

pub(crate) fn storage(error: impl std::fmt::Display) -> ReadError {
    ReadError::Storage(error.to_string())
}

pub(super) fn damaged(error: RecordError) -> ReadError {
    ReadError::Storage(format!("the journal is damaged: {error}; run `polder verify`"))
}
