//! Polder's vocabulary: names, journals, positions, commands, events, acknowledgements, content ids, subjects,
//! permissions, limits, translations, and the descriptor in which a domain describes itself. Pure: no input or output,
//! no waiting, no clock.
#![forbid(unsafe_code)]

pub mod access;
mod acknowledgement;
mod byte_rate;
mod command;
mod content_id;
mod counted;
mod descriptor;
pub mod descriptor_limits;
mod event;
#[cfg(test)]
mod fuzz_tests;
mod journals;
mod json;
mod limits;
mod memory_budget;
mod names;
mod position;
mod revision;
pub mod subject;
pub mod translation;

pub use acknowledgement::{CommandAck, CommandStatus, Reason};
pub use byte_rate::ByteRate;
pub use command::{Command, Fingerprint, Trail};
pub use content_id::{ContentId, EventContent};
pub use counted::counted;
pub use descriptor::{
    AggregateDescriptor, CommandDescriptor, DESCRIPTOR_FORMAT, Descriptor, DescriptorError, EventDescriptor,
    ProjectionDescriptor, RESERVED_NAMES, StateChart, Transition, is_reserved_name,
};
pub use event::Event;
pub use journals::{JOURNALS_MAX, JournalNumber, Journals};
pub use json::{JSON_DEPTH_LIMIT, JSON_DEPTH_MAX, JSON_NUMBER_LIMIT, JsonError, check_json, check_json_text};
pub use limits::{Limit, LimitChanges, LimitError, LimitOverrides, Limits};
pub use memory_budget::{MemoryBudget, MemoryExhausted, MemoryPurpose, MemoryReservation};
pub use names::{
    AggregateId, AggregateName, CommandId, CommandName, CorrelationId, DomainName, EventName, ID_BYTES_MAX,
    NAME_BYTES_MAX, NameError, ProjectionName, TenantName,
};
pub use position::{Position, Sequence, TimestampMs};
pub use revision::{REVISION_MARK_BYTES, Revision, RevisionHasher};
