//! NATS as an outer face, against real servers.

mod commands;
mod connection;
mod doctor;
mod events;
mod kills;
mod queries;
mod service;
mod site;
mod streams;
