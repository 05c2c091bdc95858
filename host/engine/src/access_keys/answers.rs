//! The access keys as callers see them.

use polder_core::{AggregateId, TimestampMs};
use serde::Serialize;

/// A key that access tokens are signed with, as recorded.
#[derive(Debug, Clone, Serialize)]
pub struct AccessKey {
    pub id: AggregateId,
    pub public_key: String,
    pub added_at_ms: TimestampMs,
    pub added_by: Option<String>,
    /// The revocation of the key. `None` while the key is valid.
    pub revoked: Option<Revocation>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Revocation {
    pub at_ms: TimestampMs,
    pub by: Option<String>,
}
