//! Checks that revisions are pure: a sample of live commands runs a second time, in a fresh instance and on a state
//! folded from the journal. If events or state differ, the guest depends on something that is in no event, and its
//! revision is withdrawn. Acknowledged commands stand: recorded events are never changed.

mod audit_thread;
mod sample;

pub(crate) use audit_thread::{Audit, AuditCounts, STATE_BYTES_MAX};
pub(crate) use sample::{Sample, SampledCommand, is_sampled};
