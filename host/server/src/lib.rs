//! Polder's HTTP and NATS interface. It turns requests into commands and queries for a [`Host`](polder_engine::Host),
//! and the host's answers into JSON, newline-delimited JSON, server-sent events or problem documents (RFC 9457). It
//! makes no decisions about domains and stores nothing.
//!
//! Each folder uses only folders below it in this table, and no two files use each other:
//!
//! | where | what it holds |
//! |---|---|
//! | `server` | starts both interfaces, and stops them |
//! | `http` | the routes, and one file or folder for each resource |
//! | `app` | the state that all HTTP handlers share |
//! | `nats` | the same requests as messages; the events in streams |
//! | `partitions` | the host's journals, each with its engine host |
//! | `cluster` | several hosts that share journals: who owns which, and how requests reach the owner |
//! | `requests` | what HTTP and NATS read alike: commands, lines of batches, queries of views, feeds of events |
//! | `access` | callers, tokens and permissions |
//! | `wire` | paths, queries, headers, bodies, JSON, problems, and every HTTP status (`wire/http_status.rs`) |
//! | `connections` | sockets: how many, and how long each wait may last |
//!
//! The way of a command over HTTP:
//!
//! ```text
//! client ─▶ connections::connection     has a slot, and a deadline for each wait
//!             http::fast_path           finds a command by its path; any other request goes to http::routes
//!             wire::request_head        limits of the head
//!             access::Authenticator     the caller, by the token; then the permission to send this command
//!             wire::body                the payload, up to the tenant's limit
//!             requests::command         the command, from address and headers
//!             partitions::Partition     submits it to the engine host of the tenant's journal
//!             wire::http_status         200, 202 or 422 for an outcome; wire::refusals selects the problem otherwise
//! client ◀─ connections::answer_body    frees the connection for the next request
//!
//! http::fast_path ─▶ http::routes ─▶ http::forward ─▶ cluster::ask_owner   if another host owns the journal
//! ```
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
pub use cluster::{COPIES_FOLDER, ClusterThreads, JoinError};
pub use connections::{listen, raise_descriptors};
pub use nats::Nats;
pub use partitions::{Partitions, join};
pub use server::Server;
