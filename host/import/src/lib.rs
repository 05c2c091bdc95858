//! Turns the rows of a log, CSV or XES, into commands by a map. Reads a file from front to back in little memory and
//! keeps its order. Sends nothing, and knows no host.
//!
//! ```no_run
//! let map = polder_import::Map::read("map.toml".as_ref())?;
//! let mut report = polder_import::Report::default();
//! for step in polder_import::Import::open("log.csv".as_ref(), map)? {
//!     match step? {
//!         polder_import::Step::Command(command) => println!("{}: {}", command.aggregate_id, command.payload),
//!         polder_import::Step::Skipped => report.skipped(),
//!         polder_import::Step::Refused { line, refusal } => report.refused(line, &refusal),
//!     }
//! }
//! println!("{report}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod csv_rows;
mod csv_scan;
mod csv_window;
mod encoding;
mod escape;
mod field;
#[cfg(test)]
mod fuzz_tests;
mod import;
mod lines;
mod map;
mod node;
mod number;
mod plan;
mod progress;
mod refusal;
mod report;
mod row_ids;
mod rows;
mod schemas;
mod time;
mod value;
mod when;
mod xes_rows;

pub use import::{Import, ImportError, Step};
pub use map::{Map, MapError};
pub use plan::PlannedCommand;
pub use progress::Progress;
pub use refusal::Refusal;
pub use report::{Report, ReportedReason};
pub use rows::ReadError;
pub use schemas::{Schemas, SchemasError};
