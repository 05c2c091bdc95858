//! The journal on JetStream: its frames, one message each, in a stream. What a host has on its own disk is a copy. Each frame has its number and
//! a mark that is made with the cluster's secret; what anybody else writes into the stream is passed over.
//!
//! Fencing is the stream's: each frame is published with `Nats-Expected-Last-Sequence`, so of several writers the first puts the next
//! frame and the others learn that they came too late. Nothing else is relied on for that, no lease and no clock.

mod asking;
mod durability;
mod error;
mod frame_log;
mod keys;
mod lease;
mod link;
mod message;
mod objects;
mod owning;
mod reading;
mod roll;
mod secret;
mod settings;
mod sound;
mod verify;

pub use asking::{AskError, HostLine};
pub use durability::{Durability, SyncInterval};
pub use error::JournalError;
pub use frame_log::StreamLog;
pub use lease::{LEASE, LEASE_LOOK, Lease, Renewal};
pub use link::{JournalLink, JournalOptions};
pub use objects::{Objects, Parcel};
pub use roll::{Roll, Word};
pub use secret::JournalSecret;
pub use settings::JOURNAL_NAME;
pub use verify::{verify_stream, verify_stream_with};
