//! Polder's NATS edge, and the only crate that knows async-nats. Carries messages; decides nothing about domains.
#![forbid(unsafe_code)]

mod background;
mod connect_error;
mod connection;
mod delivery;
pub mod events;
pub mod journal;
pub mod measure;
mod options;
mod reply_to;
pub mod service;
mod steering;
mod throttle;
mod version;

pub use background::Background;
pub use connect_error::ConnectError;
pub use connection::{Connection, NotSent};
pub use delivery::{Delivery, Taken};
pub use options::{ConnectOptions, Credentials, Tls};
pub use reply_to::ReplyTo;
pub use version::{SERVER_VERSION_MIN, ServerVersion};

/// Hosts that serve the same tenants share requests by it.
pub const QUEUE_GROUP: &str = "polder";
