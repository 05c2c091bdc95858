//! The sockets of clients: how many may be open, and how long each wait may last. It knows HTTP/1, and nothing of what
//! requests mean.

mod accept;
mod answer_body;
mod connection;
mod connection_state;
mod deadline;
mod descriptors;
mod guarded_stream;
mod open_connections;
mod sent_body;

pub(crate) use accept::accept_until;
pub use accept::listen;
pub(crate) use answer_body::AnswerBody;
pub(crate) use connection::HEAD_BYTES_MAX;
pub(crate) use connection_state::ConnectionState;
pub(crate) use descriptors::descriptors_max;
pub use descriptors::raise_descriptors;
pub(crate) use open_connections::{Bounds, Connections};
pub(crate) use sent_body::{SentBody, SentBodyError};
