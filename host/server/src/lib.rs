//! Polder's HTTP and NATS interface. It turns requests into commands and queries for a [`Host`](polder_engine::Host),
//! and the host's answers into JSON, newline-delimited JSON, server-sent events or problem documents (RFC 9457). It
//! makes no decisions about domains and stores nothing.
#![forbid(unsafe_code)]

mod access;
mod app;
mod cluster;
mod connections;
mod http;
mod nats;
mod partitions;
mod requests;
mod server;
mod wire;

pub use access::first_key::{FIRST_KEY_FILE, FirstKeyProof};
pub use cluster::{COPIES_FOLDER, JoinError, Members, join};
pub use connections::descriptors::raise_descriptors;
pub use nats::Nats;
pub use partitions::Partitions;
pub use server::{Server, listen};
