//! NATS as an interface of the host, with real servers.

mod access;
mod batches;
mod bridge;
mod catchup;
mod commands;
mod connection;
mod degraded;
mod doctor;
mod ending;
mod events;
mod flood;
mod json_limits;
mod kills;
mod permissions;
mod python;
mod queries;
mod replies;
mod service;
mod site;
mod streams;
