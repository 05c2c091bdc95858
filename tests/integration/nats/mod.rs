//! NATS as an outer face, against real servers.

mod connection;
