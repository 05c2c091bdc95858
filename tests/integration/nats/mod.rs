//! NATS as an outer face, against real servers.

mod commands;
mod connection;
mod events;
mod kills;
mod service;
mod site;
mod streams;
