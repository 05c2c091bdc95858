//! The read path: views that are fed from the journal, and the queries on them.
//!
//! ```text
//! journal ─ batches ─> feed (routes and folds in the guest) ─ documents + checkpoint ─> SQLite ─> readers
//!                                                              in one transaction
//! ```
//!
//! A tenant's views are open while there is something to fold or a reader uses them, and are closed some time later. An
//! inactive tenant costs no more memory than the names of its domains.

mod allowance;
mod answers;
mod evidence;
mod feed;
mod field_values;
mod going_live;
mod open_views;
mod parked_queries;
mod projections;
mod query;
mod readable;
mod restore;
mod routing;
mod set_aside;
mod slot;
mod store;
mod store_thread;
mod tenant_views;
mod view_queries;
mod view_tasks;
mod views_reader;

pub use answers::*;
pub(crate) use open_views::Asked;
pub(crate) use projections::Projections;
pub(crate) use restore::Restore;
pub use view_queries::ViewQueries;
