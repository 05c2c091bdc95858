//! Polder's HTTP face: turns requests into questions and commands for a [`Host`](polder_engine::Host) and its answers into JSON,
//! newline-delimited JSON, server-sent events or problem documents (RFC 9457). Decides nothing about domains, and keeps nothing.
#![forbid(unsafe_code)]

mod access;
mod app;
mod batch;
mod body;
mod bridge;
mod cluster;
mod commands;
mod deployments;
mod effects;
mod event_stream;
mod events;
mod feed;
mod front;
mod gate_progress;
mod headers;
mod history;
mod json;
mod keys;
mod kinds;
mod lingering;
mod metrics;
mod nats;
mod parts;
mod probes;
mod problem;
mod query;
mod refusals;
mod routes;
mod segments;
mod serve;
mod state;
mod tenants;
mod views;
mod waiting;

pub use cluster::{COPIES_FOLDER, JoinError, Members, join};
pub use nats::Nats;
pub use parts::Parts;
pub use serve::Server;
