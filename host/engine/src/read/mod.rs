//! Reads of states, histories and pages of events. These and all other reads for a tenant, of views, domains and
//! components, are admitted by one [`ReadAdmission`] and run on its threads, never on those of the write path. Their
//! answers hold memory of the host's budget until the client has received them.
//!
//! ```text
//! request ─ admitted ─> queue, fair by tenant ─> read thread, slice of 10 ms ─ done ─> answer, with reserved memory
//!         └ refused, with the limit                                         └ more ─> slow lane, low priority, slices
//! ```

mod admission;
mod aggregate_address;
mod answers;
mod event_domains;
mod events;
mod held;
mod history;
mod lane_readers;
mod lanes;
mod lookup;
mod page;
mod queries;
mod read_error;
mod state;
mod time_slice;

pub(crate) use admission::{Patience, ReadAdmission};
pub use answers::{AsOf, EventFilter, EventPage, HistoryPage, SetAside, StateAnswer};
pub use held::HeldList;
pub(crate) use held::held_bytes;
pub(crate) use lookup::{find_domain, tenant_to_read};
pub use queries::Queries;
pub(crate) use read_error::storage;
pub use read_error::{READ_RETRY_MS, ReadError};
pub(crate) use time_slice::{ReadStop, ReadTurn};
