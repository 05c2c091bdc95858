//! A PostgreSQL of one's own, for as long as a run takes: its own folder, its own user when run as root, reached by a socket in that
//! folder and by nothing else.
#![forbid(unsafe_code)]

mod account;
mod programs;
mod server;

pub use server::Server;
