//! Errors, sorted by what the reader should do next.

use std::path::PathBuf;

use polder_core::translation::RulesError;
use polder_core::{
    AggregateId, AggregateName, CommandId, CommandName, DomainName, JsonError, MemoryExhausted, Position,
    ProjectionName, Revision, Sequence, TenantName,
};

use crate::answers::SetAside;
use crate::deployments::CompileError;
use crate::revision_check::Verdict;
use crate::system::SYSTEM_TENANT;

/// Retry interval for requests that the host had no memory for, in milliseconds.
pub const MEMORY_RETRY_MS: u64 = 1_000;

/// Retry interval for reads that were refused because too many were waiting, in milliseconds.
pub const READ_RETRY_MS: u64 = 1_000;

/// The reason why a command got no acknowledgement. Nothing was recorded, except possibly with
/// [`OutcomeUnknown`](Self::OutcomeUnknown).
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    // The caller must fix the request.
    #[error("tenant {SYSTEM_TENANT:?} is the host's own history: it takes no commands; name another tenant")]
    SystemTenant,
    #[error("there is no tenant {0:?} here")]
    UnknownTenant(TenantName),
    #[error("tenant {0:?} is suspended: it takes no commands until it is resumed; reads go on")]
    TenantSuspended(TenantName),
    #[error("tenant {tenant:?} has no domain {domain:?}{}", others(known))]
    UnknownDomain { tenant: TenantName, domain: DomainName, known: Vec<DomainName> },
    #[error("domain {domain:?} has no aggregate {aggregate:?}{}", others(known))]
    UnknownAggregate { domain: DomainName, aggregate: AggregateName, known: Vec<AggregateName> },
    #[error("aggregate {aggregate:?} has no command {command:?}{}", others(known))]
    UnknownCommand { aggregate: AggregateName, command: CommandName, known: Vec<CommandName> },
    #[error("the payload {0}")]
    Json(#[from] JsonError),
    #[error("the payload has {bytes} bytes; at most {bytes_max} are allowed (limit command_bytes_max)")]
    TooLarge { bytes: u64, bytes_max: u64 },
    /// The domain's decision exceeds a limit on what may be recorded. It does not count against the revision.
    #[error("the command leads to more than may be recorded: {reason}")]
    OverLimit { limit: &'static str, limit_value: u64, reason: String },
    #[error(
        "command id {id:?} was used before for another command to this aggregate, which was {}: give each command an id of its own{}",
        if *was_rejected { "rejected" } else { "accepted" },
        if *was_rejected { ", or ask for a rejected command to be decided again" } else { "" }
    )]
    IdReused { id: CommandId, was_rejected: bool },
    // The caller must read again and decide anew.
    #[error("the aggregate is at sequence {actual}, the command expected {expected}")]
    Conflict { expected: Sequence, actual: Sequence },
    // The caller must wait.
    #[error("tenant {tenant:?} is at its limit {limit}, {value}: try again in {retry_after_ms} ms")]
    Busy { tenant: TenantName, limit: &'static str, value: u64, retry_after_ms: u64 },
    /// The host has no memory left for this command. It does not count against the tenant or the revision.
    #[error("{0}: nothing was recorded; try again in {MEMORY_RETRY_MS} ms")]
    MemoryExhausted(MemoryExhausted),
    /// `retry_after_ms` is `None` if a retry only makes sense after another revision was deployed.
    #[error("domain {domain:?}, revision {}, is out of service: {reason}", revision.short())]
    OutOfService { domain: DomainName, revision: Revision, reason: String, retry_after_ms: Option<u64> },
    // The author of the domain must fix the guest.
    #[error("domain {domain:?}, revision {}: {reason}", revision.short())]
    GuestFault { domain: DomainName, revision: Revision, reason: String },
    // The operator must look into the host.
    #[error(
        "tenant {tenant:?} is full: its records and views take {bytes} bytes, at its limit storage_bytes_max, {storage_bytes_max}, or beyond; \
         commands are taken again when the limit is raised, and reads go on"
    )]
    StorageFull { tenant: TenantName, bytes: u64, storage_bytes_max: u64 },
    /// Nothing of the command was recorded. Retry when there is room.
    #[error("the host takes no commands at present: {reason}")]
    NoRoom { reason: String, is_disk_full: bool },
    #[error("{}", out_of_service(.0))]
    TenantUnavailable(TenantName),
    #[error("the host takes no commands: {0}")]
    ReadOnly(String),
    /// Making the decision durable failed halfway, so it may turn out to be in the journal. Repeating the command with
    /// the same id, the caller's own or the one given here, returns the outcome.
    #[error("it is not known whether the command was recorded: {reason}; ask again with the same command id")]
    OutcomeUnknown { command_id: Option<CommandId>, reason: String },
    #[error("another host owns the journal: it takes the commands")]
    NotOwner,
    #[error("the host is shutting down")]
    ShuttingDown,
}

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
    #[error("nothing is set aside at position {0} that matches")]
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

/// The reason why a component did not become the active revision. The active revision is unchanged.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DeployError {
    #[error("tenant {SYSTEM_TENANT:?} is the host's own history: it has no domains; name another tenant")]
    SystemTenant,
    #[error("there is no tenant {0:?} here")]
    UnknownTenant(TenantName),
    /// The author must fix the component.
    #[error("refused: {0}")]
    Refused(String),
    #[error("the component describes domain {described:?}, but was deployed as {asked:?}")]
    OtherDomain { described: DomainName, asked: DomainName },
    /// The author must fix the revision, or accept its changes.
    #[error("refused: {0}")]
    Gate(Box<Verdict>),
    #[error("revision {} is in quarantine ({cause}); it can be activated again once that is released", revision.short())]
    Quarantined { revision: Revision, cause: String },
    #[error("tenant {tenant:?} has no domain {domain:?}{}", others(known))]
    UnknownDomain { tenant: TenantName, domain: DomainName, known: Vec<DomainName> },
    #[error(
        "domain {domain:?} has nothing to go back to: no revision was active before the present one, or they are in quarantine; after a rollback, \
         deploy the revision that you want again, or name it in the rollback"
    )]
    NothingBefore { domain: DomainName },
    #[error(
        "{found} of the revisions that were active in domain {domain:?} begin with {asked:?}; there must be exactly one"
    )]
    UnknownRevision { domain: DomainName, asked: String, found: usize },
    /// The host has no memory left for this deployment.
    #[error("{0}: nothing was changed; try again in {MEMORY_RETRY_MS} ms")]
    MemoryExhausted(MemoryExhausted),
    /// The caller should retry later.
    #[error("{reason}: try again")]
    Busy { reason: String, limit: &'static str, value: u64 },
    #[error("the host is shutting down; nothing was changed")]
    ShuttingDown,
    #[error("{}", out_of_service(.0))]
    TenantUnavailable(TenantName),
    #[error("nothing can be uploaded: {0}")]
    NoRoom(#[from] polder_journal::Shortage),
    #[error("the host takes no deployments: {0}")]
    ReadOnly(String),
    #[error("the host cannot store the component: {0}")]
    Storage(String),
}

impl From<CompileError> for DeployError {
    fn from(error: CompileError) -> Self {
        let text = error.to_string();
        match error {
            CompileError::Refused(_) | CompileError::Limit { .. } => Self::Refused(text),
            CompileError::Busy { limit, value, .. } => Self::Busy { reason: text, limit, value },
            CompileError::Memory(exhausted) => Self::MemoryExhausted(exhausted),
            CompileError::Stopped => Self::ShuttingDown,
            CompileError::Failed(_) => Self::Storage(text),
        }
    }
}

/// The reason why a key was not added or revoked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    #[error("key {0:?} is known already: a key can be added once, and a revoked key stays revoked")]
    Known(AggregateId),
    #[error("there is no key {0:?} here")]
    Unknown(AggregateId),
    #[error("the host takes no changes: {0}")]
    ReadOnly(String),
}

/// The reason why the rules of a context bridge were not set.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BridgeError {
    #[error("there is no tenant {0:?} here")]
    UnknownTenant(TenantName),
    #[error(transparent)]
    Rules(#[from] RulesError),
    #[error("the host takes no changes: {0}")]
    ReadOnly(String),
}

/// The reason why a tenant was not added, changed or removed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TenantError {
    #[error("there is no tenant {0:?} here")]
    Unknown(TenantName),
    #[error("{0:?} is reserved: give the tenant another name")]
    Reserved(TenantName),
    #[error("tenant {0:?} was removed, and its name is never used again: give the tenant another name")]
    Removed(TenantName),
    #[error("removing tenant {tenant:?} destroys all it has: give its name again to confirm, not {given:?}")]
    Unconfirmed { tenant: TenantName, given: String },
    #[error("the host takes no changes: {0}")]
    ReadOnly(String),
    #[error("the host cannot keep the tenant's data: {0}")]
    Storage(String),
}

/// The reason why a tenant's data could not be deleted. The host tries again at its next start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EraseError {
    #[error("cannot remove its files: {0}")]
    Files(#[from] std::io::Error),
    #[error("cannot remove its saved states: {0}")]
    Journal(#[from] polder_journal::ReadError),
}

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

fn because(why: &Option<String>) -> String {
    why.as_ref().map(|why| format!(" ({why})")).unwrap_or_default()
}

fn missing(set_aside: &Option<SetAside>) -> String {
    let Some(SetAside { first, .. }) = set_aside else { return String::new() };
    format!("; from position {first} on events are set aside that may belong to it")
}

/// The text for callers. The log and the start name the file.
fn out_of_service(tenant: &TenantName) -> String {
    format!(
        "tenant {tenant:?} is out of service: its key is missing or damaged; it is served again once the operator has restored it"
    )
}

/// Lists the names that exist. Empty if there are none, or none that the caller may know of.
fn others<T: std::fmt::Display>(known: &[T]) -> String {
    if known.is_empty() {
        return String::new();
    }
    format!("; it has {}", known.iter().map(T::to_string).collect::<Vec<_>>().join(", "))
}
