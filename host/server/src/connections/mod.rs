//! The sockets of clients: how many may be open, and how long each wait may last. It knows HTTP/1, and no requests.

pub(crate) mod answer_body;
pub(crate) mod connection;
pub(crate) mod deadline;
pub(crate) mod descriptors;
pub(crate) mod guarded_stream;
pub(crate) mod open_connections;
pub(crate) mod sent_body;
