//! A PostgreSQL server for the duration of a run: with its own folder, and its own user when run as root. It is reached
//! only through a socket in that folder.
#![forbid(unsafe_code)]

mod account;
mod programs;
mod server;

pub use server::Server;
