//! The reasons why a component is not deployed, sorted by what the reader should do next.

use polder_core::{DomainName, MemoryExhausted, Revision, TenantName};

use super::check::{CheckError, Verdict};
use super::compile_error::CompileError;
use crate::tenancy::{MEMORY_RETRY_MS, SYSTEM_TENANT, others, out_of_service};

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
    Check(Box<Verdict>),
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
    /// The author deploys to a domain that the tenant has, or the operator raises the limit.
    #[error(
        "the tenant has {domains} domains, and {domain:?} would be one more; at most {domains_max} are allowed (limit domains_max); \
         nothing was changed"
    )]
    TooManyDomains { domain: DomainName, domains: u64, domains_max: u64 },
    /// The author deploys a smaller component, or the operator raises the limit.
    #[error(
        "with this revision of {domain:?}, the machine code of the tenant's domains would have {code_bytes} bytes; at most {code_bytes_max} \
         are allowed (limit code_bytes_max); nothing was changed"
    )]
    TooMuchCode { domain: DomainName, code_bytes: u64, code_bytes_max: u64 },
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

impl From<CheckError> for DeployError {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Memory(exhausted) => Self::MemoryExhausted(exhausted),
            CheckError::Journal(_) | CheckError::Stopping => Self::Storage(error.to_string()),
        }
    }
}
