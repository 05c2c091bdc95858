//! Maps each refusal of the host to a problem. This is the only place that assigns their kinds.

use polder_core::{MemoryExhausted, NameError};
use polder_engine::{
    BridgeError, DeployError, KeyError, MEMORY_RETRY_MS, READ_RETRY_MS, ReadError, SubmitError, TenantError,
    UploadError,
};

use crate::incoming_json;
use crate::problem::Problem;
use crate::problem_kinds::{self, Kind};

/// Retry hint for a view that is behind or being built, in milliseconds. It usually catches up in this time.
const VIEW_RETRY_MS: u64 = 1_000;
/// Retry hint while all compilers are busy, in milliseconds.
const DEPLOY_RETRY_MS: u64 = 5_000;

/// The most that is logged of a guest's failure, in bytes. The caller gets all of it.
const REASON_LOG_BYTES_MAX: usize = 1_000;

/// Retry hint when the disk is full, in milliseconds. The host notices freed space within this time.
const ROOM_RETRY_MS: u64 = 1_000;

impl From<NameError> for Problem {
    fn from(error: NameError) -> Self {
        Self::new(&problem_kinds::BAD_NAME, error.to_string())
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        use SubmitError as E;
        let detail = error.to_string();
        match error {
            E::SystemTenant => Self::new(&problem_kinds::SYSTEM_TENANT, detail),
            E::UnknownTenant(tenant) => {
                Self::new(&problem_kinds::UNKNOWN_TENANT, detail).with("tenant", tenant.as_str())
            }
            E::UnknownDomain { known, .. } => Self::new(&problem_kinds::UNKNOWN_DOMAIN, detail).with_known(&known),
            E::UnknownAggregate { known, .. } => {
                Self::new(&problem_kinds::UNKNOWN_AGGREGATE, detail).with_known(&known)
            }
            E::UnknownCommand { known, .. } => Self::new(&problem_kinds::UNKNOWN_COMMAND, detail).with_known(&known),
            E::Json(error) => incoming_json::refusal("the payload", &error),
            E::TooLarge { bytes, bytes_max } => Self::new(&problem_kinds::TOO_LARGE, detail)
                .with("actual", bytes)
                .with_limit("command_bytes_max", bytes_max),
            E::OverLimit { limit, limit_value, reason } => {
                Self::new(&problem_kinds::OVER_LIMIT, detail).with_limit(limit, limit_value).with("reason", reason)
            }
            E::OutcomeUnknown { command_id, .. } => match command_id {
                Some(id) => Self::new(&problem_kinds::OUTCOME_UNKNOWN, detail).with("command_id", id.as_str()),
                None => Self::new(&problem_kinds::OUTCOME_UNKNOWN, detail),
            },
            E::IdReused { id, was_rejected } => Self::new(&problem_kinds::ID_REUSED, detail)
                .with("command_id", id.as_str())
                .with("recorded", if was_rejected { "rejected" } else { "accepted" }),
            E::Conflict { expected, actual } => Self::new(&problem_kinds::SEQUENCE_CONFLICT, detail)
                .with("expected", expected.0)
                .with("actual", actual.0),
            E::Busy { limit, value, retry_after_ms, .. } => {
                Self::new(&problem_kinds::BUSY, detail).with_limit(limit, value).retry_after_ms(retry_after_ms)
            }
            E::TenantSuspended(_) => Self::new(&problem_kinds::TENANT_SUSPENDED, detail),
            E::StorageFull { bytes, storage_bytes_max, .. } => Self::new(&problem_kinds::STORAGE_FULL, detail)
                .with("actual", bytes)
                .with_limit("storage_bytes_max", storage_bytes_max),
            E::GuestFault { domain, revision, reason } => guest_fault(detail, domain.as_str(), &revision, &reason),
            E::OutOfService { domain, revision, reason, retry_after_ms } => {
                let problem = Self::new(&problem_kinds::OUT_OF_SERVICE, detail)
                    .with("domain", domain.as_str())
                    .with("revision", revision.to_string())
                    .with("reason", reason);
                match retry_after_ms {
                    Some(retry_after_ms) => problem.retry_after_ms(retry_after_ms),
                    None => problem,
                }
            }
            E::MemoryExhausted(exhausted) => memory_exhausted(detail, &exhausted),
            E::NoRoom { reason, is_disk_full: true } => {
                Self::new(&problem_kinds::DISK_FULL, detail).with("reason", reason).retry_after_ms(ROOM_RETRY_MS)
            }
            E::NoRoom { reason, .. } => Self::read_only(&detail, &reason).retry_after_ms(ROOM_RETRY_MS),
            E::TenantUnavailable(tenant) => {
                Self::new(&problem_kinds::TENANT_UNAVAILABLE, detail).with("tenant", tenant.as_str())
            }
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
            E::NotOwner => Self::new(&problem_kinds::NOT_READY, detail).for_owner(),
            E::ShuttingDown => Self::new(&problem_kinds::SHUTTING_DOWN, detail),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        use ReadError as E;
        let detail = error.to_string();
        match error {
            E::SystemTenant => Self::new(&problem_kinds::SYSTEM_TENANT, detail),
            E::UnknownTenant(tenant) => {
                Self::new(&problem_kinds::UNKNOWN_TENANT, detail).with("tenant", tenant.as_str())
            }
            E::UnknownDomain { known, .. } => Self::new(&problem_kinds::UNKNOWN_DOMAIN, detail).with_known(&known),
            E::UnknownAggregate { known, .. } => {
                Self::new(&problem_kinds::UNKNOWN_AGGREGATE, detail).with_known(&known)
            }
            E::UnknownProjection { known, .. } => {
                Self::new(&problem_kinds::UNKNOWN_PROJECTION, detail).with_known(&known)
            }
            E::UnknownRevision { .. } => Self::new(&problem_kinds::UNKNOWN_REVISION, detail),
            E::NoSuchAggregate { .. } => Self::new(&problem_kinds::NO_SUCH_AGGREGATE, detail),
            E::NoSuchSequence { asked, newest, .. } => {
                Self::new(&problem_kinds::NO_SUCH_SEQUENCE, detail).with("asked", asked.0).with("newest", newest.0)
            }
            E::NoSuchDocument { key, position, set_aside, .. } => {
                let problem =
                    Self::new(&problem_kinds::NO_SUCH_DOCUMENT, detail).with("key", key).with("position", position.0);
                match set_aside {
                    Some(aside) => problem.with("set_aside", serde_json::json!(aside)),
                    None => problem,
                }
            }
            E::BeingBuilt { reached, newest, .. } => Self::new(&problem_kinds::VIEW_BEING_BUILT, detail)
                .with("reached", reached.0)
                .with("newest", newest.0)
                .retry_after_ms(VIEW_RETRY_MS),
            E::NothingParked(position) => {
                Self::new(&problem_kinds::NOTHING_PARKED, detail).with("position", position.0)
            }
            E::TooSlow(_) => Self::new(&problem_kinds::QUESTION_TOO_SLOW, detail),
            E::BadQuery(_) => Self::new(&problem_kinds::BAD_QUERY, detail),
            E::Behind { asked, reached, .. } => Self::new(&problem_kinds::VIEW_BEHIND, detail)
                .with("asked", asked.0)
                .with("reached", reached.0)
                .retry_after_ms(VIEW_RETRY_MS),
            E::GuestFault { domain, revision, reason } => guest_fault(detail, domain.as_str(), &revision, &reason),
            E::MemoryExhausted(exhausted) => memory_exhausted(detail, &exhausted),
            E::Busy { limit, value, .. } => read_limit(&problem_kinds::BUSY, detail, limit, value),
            E::HostBusy { limit, value } => read_limit(&problem_kinds::HOST_BUSY, detail, limit, value),
            E::TooLong { ms_max } => {
                Self::new(&problem_kinds::READ_TOO_LONG, detail).with_limit("read_cpu_ms_max", ms_max)
            }
            E::ShuttingDown => Self::new(&problem_kinds::SHUTTING_DOWN, detail),
            E::DomainUnavailable { domain, revision, reason } => Self::new(&problem_kinds::OUT_OF_SERVICE, detail)
                .with("domain", domain.as_str())
                .with("revision", revision.to_string())
                .with("reason", reason),
            E::TenantUnavailable(tenant) => {
                Self::new(&problem_kinds::TENANT_UNAVAILABLE, detail).with("tenant", tenant.as_str())
            }
            E::Storage(cause) => {
                Self::internal(&problem_kinds::STORAGE_FAILED, "the host cannot read its data", &cause)
            }
        }
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        use DeployError as E;
        let detail = error.to_string();
        match error {
            E::SystemTenant => Self::new(&problem_kinds::SYSTEM_TENANT, detail),
            E::UnknownTenant(tenant) => {
                Self::new(&problem_kinds::UNKNOWN_TENANT, detail).with("tenant", tenant.as_str())
            }
            E::Refused(reason) => Self::new(&problem_kinds::COMPONENT_REFUSED, detail).with("reason", reason),
            E::OtherDomain { described, asked } => Self::new(&problem_kinds::OTHER_DOMAIN, detail)
                .with("expected", asked.as_str())
                .with("actual", described.as_str()),
            E::Gate(verdict) => {
                let verdict = serde_json::to_value(&verdict).expect("names, numbers and texts always serialize");
                Self::new(&problem_kinds::GATE_REFUSED, detail).with("verdict", verdict)
            }
            E::Quarantined { revision, cause } => Self::new(&problem_kinds::QUARANTINED, detail)
                .with("revision", revision.to_string())
                .with("cause", cause),
            E::UnknownDomain { known, .. } => Self::new(&problem_kinds::UNKNOWN_DOMAIN, detail).with_known(&known),
            E::NothingBefore { domain } => {
                Self::new(&problem_kinds::NOTHING_BEFORE, detail).with("domain", domain.as_str())
            }
            E::UnknownRevision { asked, found, .. } => {
                Self::new(&problem_kinds::UNKNOWN_REVISION, detail).with("asked", asked).with("found", found)
            }
            E::MemoryExhausted(exhausted) => memory_exhausted(detail, &exhausted),
            E::Busy { limit, value, .. } => {
                Self::new(&problem_kinds::BUSY, detail).with_limit(limit, value).retry_after_ms(DEPLOY_RETRY_MS)
            }
            E::ShuttingDown => Self::new(&problem_kinds::SHUTTING_DOWN, detail),
            E::TenantUnavailable(tenant) => {
                Self::new(&problem_kinds::TENANT_UNAVAILABLE, detail).with("tenant", tenant.as_str())
            }
            E::NoRoom(_) => Self::new(&problem_kinds::DISK_FULL, detail).retry_after_ms(ROOM_RETRY_MS),
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
            E::Storage(cause) => {
                Self::internal(&problem_kinds::STORAGE_FAILED, "the host cannot store the component", &cause)
            }
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        use UploadError as E;
        let detail = error.to_string();
        match error {
            E::Busy { limit, value } => {
                Self::new(&problem_kinds::BUSY, detail).with_limit(limit, value).retry_after_ms(DEPLOY_RETRY_MS)
            }
            E::TooLarge => Self::new(&problem_kinds::TOO_LARGE, detail)
                .with_limit("component_bytes_max", polder_engine::COMPONENT_BYTES_MAX as u64),
            E::NoRoom(_) => Self::new(&problem_kinds::DISK_FULL, detail).retry_after_ms(ROOM_RETRY_MS),
            _ => Self::internal(&problem_kinds::STORAGE_FAILED, "the host cannot keep the component", &detail),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        use KeyError as E;
        let detail = error.to_string();
        match error {
            E::Known(key) => Self::new(&problem_kinds::KEY_KNOWN, detail).with("key", key.as_str()),
            E::Unknown(key) => Self::new(&problem_kinds::UNKNOWN_KEY, detail).with("key", key.as_str()),
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
        }
    }
}

impl From<BridgeError> for Problem {
    fn from(error: BridgeError) -> Self {
        use BridgeError as E;
        let detail = error.to_string();
        match error {
            E::UnknownTenant(tenant) => {
                Self::new(&problem_kinds::UNKNOWN_TENANT, detail).with("tenant", tenant.as_str())
            }
            E::Rules(_) => Self::new(&problem_kinds::BAD_RULES, detail),
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
        }
    }
}

impl From<TenantError> for Problem {
    fn from(error: TenantError) -> Self {
        use TenantError as E;
        let detail = error.to_string();
        match error {
            E::Unknown(tenant) => Self::new(&problem_kinds::UNKNOWN_TENANT, detail).with("tenant", tenant.as_str()),
            E::Reserved(_) => Self::new(&problem_kinds::RESERVED_NAME, detail),
            E::Removed(_) => Self::new(&problem_kinds::TENANT_REMOVED, detail),
            E::Unconfirmed { tenant, given } => {
                Self::new(&problem_kinds::UNCONFIRMED, detail).with("expected", tenant.as_str()).with("actual", given)
            }
            E::Storage(cause) => {
                Self::internal(&problem_kinds::STORAGE_FAILED, "the host cannot keep the tenant's data", &cause)
            }
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
        }
    }
}

/// The host as a whole is out of memory. Its users free some within a moment, so the caller may retry.
pub(crate) fn memory_exhausted(detail: String, exhausted: &MemoryExhausted) -> Problem {
    Problem::new(&problem_kinds::HOST_BUSY, detail)
        .with_limit("memory_bytes_max", exhausted.bytes_max)
        .retry_after_ms(MEMORY_RETRY_MS)
}

fn read_limit(kind: &'static Kind, detail: String, limit: &str, value: u64) -> Problem {
    Problem::new(kind, detail).with_limit(limit, value).retry_after_ms(READ_RETRY_MS)
}

fn guest_fault(detail: String, domain: &str, revision: &polder_core::Revision, reason: &str) -> Problem {
    // The reason may include the guest's last log note, which can be long.
    let logged = &reason[..reason.floor_char_boundary(REASON_LOG_BYTES_MAX)];
    // The engine has logged it, within the tenant's bound on notes.
    tracing::debug!(domain, revision = %revision.short(), reason = logged, "a guest failed");
    Problem::new(&problem_kinds::GUEST_FAULT, detail)
        .with("domain", domain)
        .with("revision", revision.to_string())
        .with("reason", reason)
}
