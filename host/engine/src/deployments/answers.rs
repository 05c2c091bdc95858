//! The results of deployments and rollbacks.

use polder_core::{Descriptor, DomainName, MemoryReservation, Revision};
use serde::Serialize;

use super::check::Verdict;
use crate::views::ProjectionInfo;

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
    /// The result of the revision check; `None` if there was nothing to check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// A component as it was uploaded.
#[derive(Debug)]
pub struct StoredComponent {
    pub bytes: Vec<u8>,
    /// Memory of the bytes, reserved until the client has received them.
    pub reserved: Option<MemoryReservation>,
}

/// A domain with its active revision and its views.
#[derive(Debug, Clone, Serialize)]
pub struct DomainInfo {
    pub domain: DomainName,
    pub revision: Revision,
    pub descriptor: Descriptor,
    pub projections: Vec<ProjectionInfo>,
}
