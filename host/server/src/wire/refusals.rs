//! Maps each refusal of the engine to a problem. No other file assigns their kinds; the kinds have the status
//! ([`http_status`](super::http_status)).

use polder_core::{MemoryExhausted, NameError, TenantName};
use polder_engine::{
    BridgeError, DeployError, KeyError, MEMORY_RETRY_MS, READ_RETRY_MS, ReadError, SubmitError, TenantError,
    UploadError,
};

use super::http_status::{self, Kind};
use super::problem::Problem;
use super::request_json;

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
        Self::new(&http_status::BAD_NAME, error.to_string())
    }
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        use SubmitError as E;
        let detail = error.to_string();
        match error {
            E::SystemTenant => Self::new(&http_status::SYSTEM_TENANT, detail),
            E::UnknownTenant(tenant) => of_tenant(&http_status::UNKNOWN_TENANT, detail, &tenant),
            E::UnknownDomain { known, .. } => Self::new(&http_status::UNKNOWN_DOMAIN, detail).with_known(&known),
            E::UnknownAggregate { known, .. } => Self::new(&http_status::UNKNOWN_AGGREGATE, detail).with_known(&known),
            E::UnknownCommand { known, .. } => Self::new(&http_status::UNKNOWN_COMMAND, detail).with_known(&known),
            E::Json(error) => request_json::refusal("the payload", &error),
            E::TooLarge { bytes, bytes_max } => Self::new(&http_status::TOO_LARGE, detail)
                .with("actual", bytes)
                .with_limit("command_bytes_max", bytes_max),
            E::OverLimit { limit, limit_value, reason } => {
                Self::new(&http_status::OVER_LIMIT, detail).with_limit(limit, limit_value).with("reason", reason)
            }
            E::OutcomeUnknown { command_id, .. } => match command_id {
                Some(id) => Self::new(&http_status::OUTCOME_UNKNOWN, detail).with("command_id", id.as_str()),
                None => Self::new(&http_status::OUTCOME_UNKNOWN, detail),
            },
            E::IdReused { id, was_rejected } => Self::new(&http_status::ID_REUSED, detail)
                .with("command_id", id.as_str())
                .with("recorded", if was_rejected { "rejected" } else { "accepted" }),
            E::Conflict { expected, actual } => {
                Self::new(&http_status::SEQUENCE_CONFLICT, detail).with("expected", expected.0).with("actual", actual.0)
            }
            E::Busy { limit, value, retry_after_ms, .. } => {
                Self::new(&http_status::BUSY, detail).with_limit(limit, value).retry_after_ms(retry_after_ms)
            }
            E::TenantSuspended(_) => Self::new(&http_status::TENANT_SUSPENDED, detail),
            E::StorageFull { bytes, storage_bytes_max, .. } => Self::new(&http_status::STORAGE_FULL, detail)
                .with("actual", bytes)
                .with_limit("storage_bytes_max", storage_bytes_max),
            E::GuestFault { domain, revision, reason } => guest_fault(detail, domain.as_str(), &revision, &reason),
            E::OutOfService { domain, revision, reason, retry_after_ms } => {
                let problem = Self::new(&http_status::OUT_OF_SERVICE, detail)
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
                Self::new(&http_status::DISK_FULL, detail).with("reason", reason).retry_after_ms(ROOM_RETRY_MS)
            }
            E::NoRoom { reason, .. } => Self::read_only(&detail, &reason).retry_after_ms(ROOM_RETRY_MS),
            E::TenantUnavailable(tenant) => of_tenant(&http_status::TENANT_UNAVAILABLE, detail, &tenant),
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
            E::NotOwner => Self::new(&http_status::NOT_READY, detail).for_owner(),
            E::ShuttingDown => Self::new(&http_status::SHUTTING_DOWN, detail),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        use ReadError as E;
        let detail = error.to_string();
        match error {
            E::SystemTenant => Self::new(&http_status::SYSTEM_TENANT, detail),
            E::UnknownTenant(tenant) => of_tenant(&http_status::UNKNOWN_TENANT, detail, &tenant),
            E::UnknownDomain { known, .. } => Self::new(&http_status::UNKNOWN_DOMAIN, detail).with_known(&known),
            E::UnknownAggregate { known, .. } => Self::new(&http_status::UNKNOWN_AGGREGATE, detail).with_known(&known),
            E::UnknownProjection { known, .. } => {
                Self::new(&http_status::UNKNOWN_PROJECTION, detail).with_known(&known)
            }
            E::UnknownRevision { .. } => Self::new(&http_status::UNKNOWN_REVISION, detail),
            E::NoSuchAggregate { .. } => Self::new(&http_status::NO_SUCH_AGGREGATE, detail),
            E::NoSuchSequence { asked, newest, .. } => {
                Self::new(&http_status::NO_SUCH_SEQUENCE, detail).with("asked", asked.0).with("newest", newest.0)
            }
            E::NoSuchDocument { key, position, set_aside, .. } => {
                let problem =
                    Self::new(&http_status::NO_SUCH_DOCUMENT, detail).with("key", key).with("position", position.0);
                match set_aside {
                    Some(aside) => problem.with("set_aside", serde_json::json!(aside)),
                    None => problem,
                }
            }
            E::BeingBuilt { reached, newest, .. } => Self::new(&http_status::VIEW_BEING_BUILT, detail)
                .with("reached", reached.0)
                .with("newest", newest.0)
                .retry_after_ms(VIEW_RETRY_MS),
            E::NothingParked(position) => Self::new(&http_status::NOTHING_PARKED, detail).with("position", position.0),
            E::TooSlow(_) => Self::new(&http_status::QUESTION_TOO_SLOW, detail),
            E::BadQuery(_) => Self::new(&http_status::BAD_QUERY, detail),
            E::Behind { asked, reached, .. } => Self::new(&http_status::VIEW_BEHIND, detail)
                .with("asked", asked.0)
                .with("reached", reached.0)
                .retry_after_ms(VIEW_RETRY_MS),
            E::GuestFault { domain, revision, reason } => guest_fault(detail, domain.as_str(), &revision, &reason),
            E::MemoryExhausted(exhausted) => memory_exhausted(detail, &exhausted),
            E::Busy { limit, value, .. } => read_limit(&http_status::BUSY, detail, limit, value),
            E::HostBusy { limit, value } => read_limit(&http_status::HOST_BUSY, detail, limit, value),
            E::TooLong { ms_max } => {
                Self::new(&http_status::READ_TOO_LONG, detail).with_limit("read_cpu_ms_max", ms_max)
            }
            E::ShuttingDown => Self::new(&http_status::SHUTTING_DOWN, detail),
            E::DomainUnavailable { domain, revision, reason } => Self::new(&http_status::OUT_OF_SERVICE, detail)
                .with("domain", domain.as_str())
                .with("revision", revision.to_string())
                .with("reason", reason),
            E::TenantUnavailable(tenant) => of_tenant(&http_status::TENANT_UNAVAILABLE, detail, &tenant),
            E::Storage(cause) => Self::internal(&http_status::STORAGE_FAILED, "the host cannot read its data", &cause),
        }
    }
}

impl From<DeployError> for Problem {
    fn from(error: DeployError) -> Self {
        use DeployError as E;
        let detail = error.to_string();
        match error {
            E::SystemTenant => Self::new(&http_status::SYSTEM_TENANT, detail),
            E::UnknownTenant(tenant) => of_tenant(&http_status::UNKNOWN_TENANT, detail, &tenant),
            E::Refused(reason) => Self::new(&http_status::COMPONENT_REFUSED, detail).with("reason", reason),
            E::OtherDomain { described, asked } => Self::new(&http_status::OTHER_DOMAIN, detail)
                .with("expected", asked.as_str())
                .with("actual", described.as_str()),
            E::Check(verdict) => {
                let verdict = serde_json::to_value(&verdict).expect("names, numbers and texts always serialize");
                Self::new(&http_status::REVISION_REFUSED, detail).with("verdict", verdict)
            }
            E::Quarantined { revision, cause } => {
                Self::new(&http_status::QUARANTINED, detail).with("revision", revision.to_string()).with("cause", cause)
            }
            E::UnknownDomain { known, .. } => Self::new(&http_status::UNKNOWN_DOMAIN, detail).with_known(&known),
            E::NothingBefore { domain } => {
                Self::new(&http_status::NOTHING_BEFORE, detail).with("domain", domain.as_str())
            }
            E::UnknownRevision { asked, found, .. } => {
                Self::new(&http_status::UNKNOWN_REVISION, detail).with("asked", asked).with("found", found)
            }
            E::TooManyDomains { domain, domains, domains_max } => Self::new(&http_status::OVER_LIMIT, detail)
                .with("domain", domain.as_str())
                .with("actual", domains)
                .with_limit("domains_max", domains_max),
            E::TooMuchCode { domain, code_bytes, code_bytes_max } => Self::new(&http_status::OVER_LIMIT, detail)
                .with("domain", domain.as_str())
                .with("actual", code_bytes)
                .with_limit("code_bytes_max", code_bytes_max),
            E::MemoryExhausted(exhausted) => memory_exhausted(detail, &exhausted),
            E::Busy { limit, value, .. } => {
                Self::new(&http_status::BUSY, detail).with_limit(limit, value).retry_after_ms(DEPLOY_RETRY_MS)
            }
            E::ShuttingDown => Self::new(&http_status::SHUTTING_DOWN, detail),
            E::TenantUnavailable(tenant) => of_tenant(&http_status::TENANT_UNAVAILABLE, detail, &tenant),
            E::NoRoom(_) => Self::new(&http_status::DISK_FULL, detail).retry_after_ms(ROOM_RETRY_MS),
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
            E::Storage(cause) => {
                Self::internal(&http_status::STORAGE_FAILED, "the host cannot store the component", &cause)
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
                Self::new(&http_status::BUSY, detail).with_limit(limit, value).retry_after_ms(DEPLOY_RETRY_MS)
            }
            E::TooLarge => Self::new(&http_status::TOO_LARGE, detail)
                .with_limit("component_bytes_max", polder_engine::COMPONENT_BYTES_MAX as u64),
            E::NoRoom(_) => Self::new(&http_status::DISK_FULL, detail).retry_after_ms(ROOM_RETRY_MS),
            _ => Self::internal(&http_status::STORAGE_FAILED, "the host cannot keep the component", &detail),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        use KeyError as E;
        let detail = error.to_string();
        match error {
            E::Known(key) => Self::new(&http_status::KEY_KNOWN, detail).with("key", key.as_str()),
            E::Unknown(key) => Self::new(&http_status::UNKNOWN_KEY, detail).with("key", key.as_str()),
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
        }
    }
}

impl From<BridgeError> for Problem {
    fn from(error: BridgeError) -> Self {
        use BridgeError as E;
        let detail = error.to_string();
        match error {
            E::UnknownTenant(tenant) => of_tenant(&http_status::UNKNOWN_TENANT, detail, &tenant),
            E::Rules(_) => Self::new(&http_status::BAD_RULES, detail),
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
        }
    }
}

impl From<TenantError> for Problem {
    fn from(error: TenantError) -> Self {
        use TenantError as E;
        let detail = error.to_string();
        match error {
            E::Unknown(tenant) => of_tenant(&http_status::UNKNOWN_TENANT, detail, &tenant),
            E::Reserved(_) => Self::new(&http_status::RESERVED_NAME, detail),
            E::Removed(_) => Self::new(&http_status::TENANT_REMOVED, detail),
            E::Unconfirmed { tenant, given } => {
                Self::new(&http_status::UNCONFIRMED, detail).with("expected", tenant.as_str()).with("actual", given)
            }
            E::Storage(cause) => {
                Self::internal(&http_status::STORAGE_FAILED, "the host cannot keep the tenant's data", &cause)
            }
            E::ReadOnly(reason) => Self::read_only(&detail, &reason),
        }
    }
}

/// The host as a whole is out of memory. Its users free some within a moment, so the caller may retry.
pub(crate) fn memory_exhausted(detail: String, exhausted: &MemoryExhausted) -> Problem {
    Problem::new(&http_status::HOST_BUSY, detail)
        .with_limit("memory_bytes_max", exhausted.bytes_max)
        .retry_after_ms(MEMORY_RETRY_MS)
}

fn of_tenant(kind: &'static Kind, detail: String, tenant: &TenantName) -> Problem {
    Problem::new(kind, detail).with("tenant", tenant.as_str())
}

fn read_limit(kind: &'static Kind, detail: String, limit: &str, value: u64) -> Problem {
    Problem::new(kind, detail).with_limit(limit, value).retry_after_ms(READ_RETRY_MS)
}

fn guest_fault(detail: String, domain: &str, revision: &polder_core::Revision, reason: &str) -> Problem {
    // The reason may include the guest's last log note, which can be long.
    let logged = &reason[..reason.floor_char_boundary(REASON_LOG_BYTES_MAX)];
    // The engine has logged it, within the tenant's bound on notes.
    tracing::debug!(domain, revision = %revision.short(), reason = logged, "a guest failed");
    Problem::new(&http_status::GUEST_FAULT, detail)
        .with("domain", domain)
        .with("revision", revision.to_string())
        .with("reason", reason)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;
    use polder_core::CommandId;

    use super::*;

    #[tokio::test]
    async fn an_unknown_outcome_has_its_own_answer_with_the_id() {
        let command_id = Some(CommandId::new("c-7").unwrap());
        let unknown = SubmitError::OutcomeUnknown { command_id, reason: "cannot sync a frame".into() };
        let response = Problem::from(unknown).into_response();
        assert_eq!(response.status().as_u16(), 504);
        assert!(!response.headers().contains_key("retry-after"));
        let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
        let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["type"], "urn:polder:problem:outcome-unknown");
        assert_eq!(document["command_id"], "c-7");
        let detail = document["detail"].as_str().unwrap();
        assert!(
            detail.contains("not known whether") && detail.contains("ask again with the same command id"),
            "{detail}"
        );
    }
}
