//! Polder's HTTP and NATS interface. It turns requests into commands and queries for a [`Host`](polder_engine::Host),
//! and the host's answers into JSON, newline-delimited JSON, server-sent events or problem documents (RFC 9457). It
//! makes no decisions about domains and stores nothing.
#![forbid(unsafe_code)]

mod access;
mod answer_body;
mod app;
mod batch;
mod body;
mod bridge;
mod cluster;
mod commands;
mod connection;
mod connections;
mod content_type;
mod deadline;
mod deployments;
mod descriptors;
mod effects;
mod entry;
mod event_stream;
mod events;
mod feed;
mod first_key;
mod front;
mod gate_progress;
mod guarded_stream;
mod headers;
mod history;
mod incoming_json;
mod json;
mod keys;
mod kinds;
mod lingering;
mod metrics;
mod nats;
mod paging;
mod parked;
mod parts;
mod probes;
mod problem;
mod query;
mod refusals;
mod routes;
mod segments;
mod sent_body;
mod serve;
mod state;
mod tenants;
mod views;
mod waiting;

pub use cluster::{COPIES_FOLDER, JoinError, Members, join};
pub use descriptors::raise_descriptors;
pub use first_key::{FIRST_KEY_FILE, FirstKeyProof};
pub use nats::Nats;
pub use parts::Parts;
pub use serve::Server;
