//! The journal on JetStream: a stream holds its frames, one message each. A host's own disk only has a copy. Each frame
//! has its number and a mark that is made with the cluster's secret. Messages of other clients in the stream are
//! skipped.
//!
//! The stream does the fencing. Each frame is published with `Nats-Expected-Last-Sequence`, so of several writers the
//! first appends the next frame, and the others are refused. Fencing depends on nothing else, neither on a lease nor on
//! a clock.

mod durability;
mod error;
mod frame_log;
mod freshness;
#[cfg(test)]
mod fuzz_tests;
mod host_message;
mod host_requests;
mod lease;
mod link;
mod message;
mod objects;
mod opening;
mod options;
mod presence;
mod reading;
mod retry;
mod secret;
mod settings;
mod sound;
mod streams;
mod takeover;
mod tenant_keys;
mod verify;
mod wall_clock;

pub use durability::{Durability, SyncInterval};
pub use error::JournalError;
pub use frame_log::StreamLog;
pub use host_requests::{AskError, HostLine};
pub use lease::{LEASE, LEASE_LOOK, Lease, LeaseReader, Renewal};
pub use link::JournalLink;
pub use objects::{Objects, Parcel};
pub use options::JournalOptions;
pub use presence::{Heartbeat, Presence};
pub use secret::JournalSecret;
pub use settings::JOURNAL_NAME;
pub use verify::{verify_stream, verify_stream_with};
