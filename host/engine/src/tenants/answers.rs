//! The tenants as callers see them.

use polder_core::{DomainName, Position, Revision, TenantName};
use serde::Serialize;

use crate::tenancy::Act;

/// A tenant, with its data sizes and limits.
#[derive(Debug, Clone, Serialize)]
pub struct TenantInfo {
    pub tenant: TenantName,
    /// Whether its key is unusable. Then its records can be neither read nor written until the operator has restored
    /// the key.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unavailable: bool,
    /// The act that added the tenant. `None` for the tenant that every host begins with.
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
    /// Whether the act changed the tenant. If not, nothing was recorded.
    pub changed: bool,
    #[serde(flatten)]
    pub tenant: TenantInfo,
}
