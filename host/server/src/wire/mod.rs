//! What the bytes of a request and of its answer mean: paths, queries, headers, bodies, JSON and problem documents. It
//! knows no handlers, and no permissions.
//!
//! | question | file |
//! |---|---|
//! | which status has a rejection, or a kind of problem? | `http_status` |
//! | which kind of problem is a refusal of the engine? | `refusals` |
//! | what does a problem document hold? | `problem` |
//! | which limits has the head of a request? | `request_head`; its query: `query` |
//! | how is a body read, and how is the unread rest of one? | `body`; `drain_body` |
//! | how are events and lists sent? | `event_stream`; `paging` |

pub(crate) mod address;
pub(crate) mod body;
pub(crate) mod content_type;
pub(crate) mod drain_body;
pub(crate) mod event_stream;
pub(crate) mod headers;
pub(crate) mod http_status;
pub(crate) mod paging;
pub(crate) mod path;
pub(crate) mod problem;
pub(crate) mod query;
pub(crate) mod refusals;
pub(crate) mod request_head;
pub(crate) mod request_json;
pub(crate) mod response_json;
