//! The time and the actor of an administrative act.

use polder_core::TimestampMs;
use serde::Serialize;

/// Time and actor of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Act {
    pub at_ms: TimestampMs,
    /// The actor. `None` if none was named.
    pub actor: Option<String>,
}
