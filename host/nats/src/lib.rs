//! Polder's NATS edge, and the only crate that knows async-nats. It carries messages and decides nothing about domains.
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
pub use steering::Leaving;
pub use version::{SERVER_VERSION_MIN, ServerVersion};

/// Queue group of the hosts that serve the same tenants: NATS sends each request to one of them.
pub const QUEUE_GROUP: &str = "polder";
