//! The write path. Workers decide commands and pass the records to the appender, which makes them durable and answers
//! the callers. During a sync, workers already decide the commands of the next batch.
//!
//! ```text
//! caller ─ command ─> fast lane (owns states, runs rules) ─ batch of records ─> appender ─ frame, sync ─> journal
//!        <─ acknowledgement, once it is durable <────────────────────────────────┘
//!                   │ ^
//!   commands of a   v │ decisions
//!   slow domain   slow lane (runs rules on CPU time that no other thread needs)
//! ```
//!
//! **No tenant waits for another tenant's guest.** Three mechanisms ensure this:
//!
//! - A worker serves its waiting tenants fairly, by the CPU time that their commands used ([`queue`]).
//! - A call on the fast lane has a time slice of a few milliseconds (`tenancy/lane_policy.rs`). A looping guest delays
//!   its worker by one slice, once. The call is cut off and runs again from the start on the slow lane, with the full
//!   limits of the tenant. Guests are pure, so the second run gives the verdict that the first would have given.
//! - The domain stays on the slow lane for a while, longer each time ([`loans`]). The slow lane's thread has the lowest
//!   priority, so it only uses CPU time that no other thread needs ([`slow_lane`]).
//!
//! The worker that owns an aggregate appends all of its records, whichever lane decided them. The lanes hand a domain
//! over through the journal, at a moment when none of its commands is undecided and none of its records is not yet
//! durable.

mod appender;
mod audit;
mod batch;
mod commands;
mod fast_lane;
mod idempotency;
mod job;
mod loans;
mod metrics;
mod not_appended;
mod optimistic_concurrency;
mod pending_reply;
mod pipeline;
mod prepared;
mod preparing;
mod queue;
mod refused_repeats;
mod resident;
mod retired;
mod share;
mod shared;
mod slots;
mod slow_lane;
mod snapshots;
mod undurable;
mod verdict;
mod warm;
mod withdrawals;
mod worker;
mod worker_of;
mod write_path;

pub(crate) use audit::AuditCounts;
pub(crate) use commands::Commands;
pub(crate) use metrics::Metrics;
pub(crate) use pipeline::Pipeline;
pub(crate) use prepared::{PreparedInstances, Reclaimed};
pub(crate) use preparing::MakeReady;
pub(crate) use withdrawals::{Cause, Withdrawal, Withdrawals, carry_out};
pub(crate) use write_path::WritePath;
