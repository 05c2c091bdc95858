//! Several hosts that share journals, on JetStream. Each journal has one owner at a time, which decides what is
//! appended to it. Every host answers every request: queries from its own copies, changes by forwarding them to the
//! owner.
//!
//! ```text
//! join             opens the copies and starts two threads for each journal
//!   ownership      follows the journal, takes it over, releases it        ─▶ role
//!   servers        watches the servers that keep the journal
//! assignment, plan which host should own which journal: pure
//! shared_journal   what the HTTP and NATS interfaces know of one journal
//!   ask_owner      sends a request to the owner
//!   answer_hosts   the owner's side: answers it by the same routes
//! ```

mod answer_hosts;
mod ask_owner;
mod assignment;
mod cluster_handle;
mod component_store;
mod join;
mod message;
mod ownership;
mod plan;
mod role;
mod servers;
mod shared_journal;
mod stop_request;

pub(crate) use answer_hosts::Forwarded;
pub(crate) use ask_owner::{FORWARDED_BYTES_MAX, ForwardWaits, OWNER_CHECK_PAUSE, OWNER_WAIT_MAX, no_owner, not_ready};
pub(crate) use cluster_handle::ClusterHandle;
pub use cluster_handle::ClusterThreads;
pub use join::{COPIES_FOLDER, JoinError};
pub(crate) use join::{Joined, join};
pub(crate) use role::Role;
pub(crate) use servers::Servers;
pub(crate) use shared_journal::SharedJournal;
