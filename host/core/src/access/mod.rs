//! Who may do what: subjects that may be published or subscribed to, chosen by patterns as in NATS. Pure, so that every outer
//! face asks the same question and gets the same answer.

mod grant;
mod pattern;
mod permissions;

pub use grant::{Grant, Scope};
pub use pattern::{PATTERN_BYTES_MAX, Pattern, PatternError};
pub use permissions::{PATTERNS_MAX, Permissions};
