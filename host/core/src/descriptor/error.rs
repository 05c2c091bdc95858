//! Why the host refuses a descriptor.

use super::DESCRIPTOR_FORMAT;
use crate::descriptor_limits::DescriptorLimit;
use crate::{AggregateName, EventName};

/// Why a descriptor cannot be used. The domain's author has to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    #[error("the descriptor is not JSON of the expected shape: {0}")]
    Shape(String),
    #[error(
        "the descriptor has format {found}; this host reads format {DESCRIPTOR_FORMAT}: build with a matching polder-sdk"
    )]
    Format { found: u64 },
    #[error("{kind} may not be named {name:?}: that word has a meaning of its own in paths and subjects")]
    Reserved { kind: &'static str, name: String },
    #[error("{part} has {found} {}; at most {} are allowed (limit {})", limit.what, limit.max, limit.name)]
    Limit { part: String, found: u64, limit: DescriptorLimit },
    #[error("the domain has neither an aggregate nor a projection")]
    Empty,
    #[error("event {event:?} of aggregate {aggregate:?}: {problem}")]
    Versions { aggregate: AggregateName, event: EventName, problem: &'static str },
    #[error("the state chart of aggregate {aggregate:?} names {name:?}, which is not one of its {what}")]
    Chart { aggregate: AggregateName, name: String, what: &'static str },
}
