//! The NATS interface: commands by request-reply, events in a stream. Requests and replies are those of HTTP, with the
//! same checks, headers and problem documents; only the transport differs.
//!
//! | subject | file |
//! |---|---|
//! | `{tenant}.cmd.{domain}.{aggregate}.{id}.{command}` | `commands` |
//! | `{tenant}.cmds`: many commands in one message | `batches` |
//! | `{tenant}.query.{domain}.{projection}` | `queries` |
//! | `{tenant}.catchup`: recorded events, then new ones, for one reader | `catchup` |
//! | the events of a tenant, in its stream | `tenants`, from `history` |

mod batches;
mod catchup;
mod commands;
mod connections;
mod history;
mod interface;
mod metrics;
mod queries;
mod reply;
mod request_headers;
mod request_memory;
mod result_subject;
mod served_partition;
mod tenants;

pub use connections::Nats;
pub(crate) use interface::{NatsInterface, Serving};
pub(crate) use metrics::NatsMetrics;
