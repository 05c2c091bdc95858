//! Polder's append-only truth: decisions as records, records in frames, frames in a hash chain, on disk before anyone
//! is told. Synchronous, on threads of its own; knows nothing of guests, of the network, or of what events mean.
#![forbid(unsafe_code)]

mod bytes;
mod decision;
mod error;
mod journal;
mod keys;
mod options;
mod record;
mod snapshot;
mod statistics;
mod tenant_batch;

pub use decision::{Decision, NewEvent, Outcome};
pub use error::{AppendError, OpenError, ReadError};
pub use journal::{Appended, Journal, OpenReport, Reader, Writer};
pub use keys::{AggregateKey, CommandKey};
pub use options::{INDEX_FLUSH_RECORDS, OpenOptions, SEGMENT_BYTES};
pub use record::{EncodedRecord, EventView, Events, RecordBuf, RecordError, RecordView};
pub use snapshot::Snapshot;
pub use statistics::Statistics;
pub use tenant_batch::TenantBatch;
