//! The reasons why a command is refused, sorted by what the reader should do next.

use polder_core::{
    AggregateName, CommandId, CommandName, DomainName, JsonError, MemoryExhausted, Revision, Sequence, TenantName,
};

use super::error_text::{others, out_of_service};
use super::system_tenant::SYSTEM_TENANT;

/// Retry interval for requests that the host had no memory for, in milliseconds.
pub const MEMORY_RETRY_MS: u64 = 1_000;

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
        "tenant {tenant:?} is full: its records and views take {bytes} bytes, and its limit storage_bytes_max is {storage_bytes_max}; \
         it takes commands again when the limit is raised; reads go on"
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
