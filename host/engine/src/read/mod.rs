//! Reads of states, histories and pages of events. All of them are admitted by one [`ReadAdmission`] and run on its
//! threads, never on those of the write path. Their answers hold memory of the host's budget until the client has
//! received them.
//!
//! ```text
//! request ─ admitted ─> queue, fair by tenant ─> read thread, slice of 10 ms ─ done ─> answer, with reserved memory
//!         └ refused, with the limit                                         └ more ─> slow lane, low priority, slices
//! ```

mod admission;
mod events;
mod history;
mod lanes;
mod state;
mod turn;

pub(crate) use admission::{Patience, ReadAdmission};
pub(crate) use events::events;
pub(crate) use history::history;
pub(crate) use state::StateRead;
pub(crate) use turn::{ReadStop, ReadTurn};

use polder_core::{AggregateId, AggregateName, DomainName, MemoryReservation};
use polder_journal::{AggregateKey, RecordError};

use crate::ReadError;
use crate::tenant::Tenant;

/// Bytes of history per read.
const READ_BYTES: usize = 256 * 1024;
/// Size of a page in bytes, including [`EVENT_OVERHEAD_BYTES`] per event. A page ends with the event that reaches it.
pub(crate) const EVENT_PAGE_BYTES_MAX: usize = 128 * 1024;
/// Memory of an event beside its payload, in bytes.
const EVENT_OVERHEAD_BYTES: usize = 512;

/// The aggregate that a read is about.
pub(crate) struct Asked<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) domain: &'a DomainName,
    pub(crate) aggregate: &'a AggregateName,
    pub(crate) id: &'a AggregateId,
}

impl Asked<'_> {
    fn key(&self) -> AggregateKey {
        AggregateKey::of(&self.tenant.name, self.domain, self.aggregate, self.id)
    }

    fn missing(&self, when: &str) -> ReadError {
        ReadError::NoSuchAggregate { aggregate: self.aggregate.clone(), id: self.id.clone(), when: when.into() }
    }
}

/// Adjusts the reservation to the memory of a page of `bytes` and its serialized text.
fn hold(turn: &ReadTurn<'_>, reserved: &mut MemoryReservation, bytes: usize) -> Result<(), ReadError> {
    let bytes = 2 * bytes as u64;
    reserved.shrink_to(bytes);
    if reserved.bytes() < bytes {
        // A single large event may need more than was reserved.
        *reserved = turn.reserve(bytes)?;
    }
    Ok(())
}

pub(crate) fn storage(error: impl std::fmt::Display) -> ReadError {
    ReadError::Storage(error.to_string())
}

fn damaged(error: RecordError) -> ReadError {
    ReadError::Storage(format!("the journal is damaged: {error}; run `polder verify`"))
}
