//! Polder's HTTP and NATS interface. It turns requests into commands and queries for a [`Host`](polder_engine::Host),
//! and the host's answers into JSON, newline-delimited JSON, server-sent events or problem documents (RFC 9457). It
//! makes no decisions about domains and stores nothing.
#![forbid(unsafe_code)]

mod access;
mod access_keys;
mod answer_body;
mod app;
mod batch;
mod body;
mod cluster;
mod command_status;
mod commands;
mod connection;
mod connections;
mod content_type;
mod deadline;
mod deployments;
mod descriptors;
mod drain_body;
mod effects;
mod entry;
mod event_stream;
mod events;
mod fast_path;
mod feed;
mod first_key;
mod guarded_stream;
mod headers;
mod history;
mod incoming_json;
mod json;
mod metrics;
mod nats;
mod paging;
mod parked;
mod partitions;
mod path;
mod probes;
mod problem;
mod problem_kinds;
mod query;
mod refusals;
mod revision_check_progress;
mod routes;
mod sent_body;
mod serve;
mod state;
mod tenants;
mod translation;
mod views;
mod waiting;

pub use cluster::{COPIES_FOLDER, JoinError, Members, join};
pub use descriptors::raise_descriptors;
pub use first_key::{FIRST_KEY_FILE, FirstKeyProof};
pub use nats::Nats;
pub use partitions::Partitions;
pub use serve::{Server, listen};
