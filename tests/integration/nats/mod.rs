//! NATS as an outer face, against real servers.

mod commands;
mod connection;
mod service;
mod site;
