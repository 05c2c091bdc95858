//! The contract for clients, tested over HTTP with the real program.

mod acknowledgements;
pub(crate) mod batch;
mod batch_memory;
mod connections;
mod disk;
mod effect_pages;
mod events;
mod first_build;
mod heads;
pub(crate) mod json_limits;
mod lists;
mod mutations;
mod parked;
mod probes;
mod refusals;
mod sequences;
mod shop;
mod slow_clients;
mod state;
mod views;
