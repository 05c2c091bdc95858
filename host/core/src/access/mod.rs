//! Permissions: the subjects that a caller may publish or subscribe to, selected by patterns as in NATS. Pure, so that
//! HTTP and NATS give the same answer to the same question.

mod grant;
mod pattern;
mod permissions;

pub use grant::{Grant, Scope};
pub use pattern::{PATTERN_BYTES_MAX, Pattern, PatternError};
pub use permissions::{PATTERNS_MAX, Permissions};
