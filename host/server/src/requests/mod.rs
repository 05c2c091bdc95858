//! Requests that are the same over HTTP and NATS: a command, a line of a batch with its answer, a query of a view, and
//! a feed of events.

pub(crate) mod batch_answers;
pub(crate) mod batch_line;
pub(crate) mod command;
pub(crate) mod event_feed;
pub(crate) mod view_query;
