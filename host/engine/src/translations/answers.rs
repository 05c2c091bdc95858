//! The rules of a context bridge as callers see them.

use polder_core::translation::Rules;
use polder_core::{Position, TenantName};
use serde::Serialize;

use crate::tenancy::Act;

/// The rules of a tenant's context bridge.
#[derive(Debug, Clone, Serialize)]
pub struct BridgeInfo {
    pub tenant: TenantName,
    pub rules: Rules,
    /// The rules apply to events after this position.
    pub after: Position,
    /// The act that set the rules. `None` if no rules were ever set.
    pub set: Option<Act>,
}

#[derive(Debug, Clone, Serialize)]
pub struct BridgeChanged {
    /// Whether the act changed the rules. If not, nothing was recorded.
    pub changed: bool,
    #[serde(flatten)]
    pub bridge: BridgeInfo,
}
