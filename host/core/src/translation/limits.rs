//! The limits of translations.

/// Maximum number of rules of one tenant.
pub const RULES_MAX: usize = 32;
/// Maximum number of rules that an event passes through, across all hosts that translate it. An event beyond it is in a
/// loop.
pub const HOPS_MAX: u32 = 8;
/// Maximum number of messages that one event may become.
pub const TRANSLATIONS_PER_EVENT_MAX: usize = 64;
/// Maximum size of a translated payload, in bytes.
pub const TRANSLATION_BYTES_MAX: usize = 262_144;
