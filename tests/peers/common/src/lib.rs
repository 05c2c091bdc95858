//! The common part of the peers, so that only the systems differ: the order domain, the load, and the report of a run.
#![forbid(unsafe_code)]

mod drive;
mod figures;
mod load;
mod options;
pub mod orders;
mod report;

pub use drive::{by_tasks, by_threads};
pub use figures::{Latency, Run};
pub use load::{Load, Span, Step};
pub use options::Options;
pub use report::{Kind, Report, end, locked_version};
