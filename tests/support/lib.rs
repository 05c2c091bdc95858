//! The common tools of the integration tests: the built binary and guests, a running host, a NATS server, a client, and
//! temporary folders.
#![forbid(unsafe_code)]

mod binary;
mod client;
mod heavy;
mod history_check;
mod host;
mod nats;
mod paths;
mod random;
mod raw;
mod skipped;
mod wire;

pub use binary::{Ran, polder, polder_with_input};
pub use client::{Answer, Client, Lines, Request};
pub use heavy::{heavy, heavy_async};
pub use history_check::{Acknowledged, Operation, Recorded, check_history};
pub use host::Host;
pub use nats::{NatsOptions, NatsServer};
pub use paths::{guest_file, nats_server_file, polder_file, python_file, repository_file, shared_data};
pub use random::Random;
pub use raw::RawConnection;
pub use skipped::skipped;
pub use wire::{Flow, Wire};
