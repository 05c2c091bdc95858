//! The contract for clients, tested over HTTP with the real program.

mod acknowledgements;
mod batch;
mod connections;
mod disk;
mod events;
mod heads;
mod json_limits;
mod lists;
mod mutations;
mod probes;
mod refusals;
mod sequences;
mod shop;
mod slow_clients;
mod state;
mod views;
