//! Polder's integration tests: one binary, with one module per topic.
#![forbid(unsafe_code)]

mod access;
mod book;
mod book_links;
mod cli;
mod deployments;
mod engine;
mod hostile;
mod http_contract;
mod import;
mod isolation;
mod jetstream;
mod nats;
mod numbers;
mod route_table;
mod tenants;
