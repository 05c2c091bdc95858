//! Requests that are the same over HTTP and NATS.

pub(crate) mod event_feed;
pub(crate) mod waiting;
