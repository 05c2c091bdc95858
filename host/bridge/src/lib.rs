//! Polder's NATS edge, and the only crate that knows async-nats. Carries messages; decides nothing about domains.
#![forbid(unsafe_code)]

mod connect_error;
mod connection;
mod options;
mod version;

pub use connect_error::ConnectError;
pub use connection::Connection;
pub use options::{ConnectOptions, Credentials, Tls};
pub use version::{SERVER_VERSION_MIN, ServerVersion};
