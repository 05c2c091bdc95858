//! Reads: states, histories, pages of events. All of them are admitted by one [`ReadAdmission`] and run on its threads, never on the
//! write path's; their answers hold memory of the host's budget until the client has taken them.
//!
//! ```text
//! request ─ admitted, or refused by name ─> queue, fair by tenant ─> read thread: a slice of 10 ms ─ done ─> answer, with its reservation
//!                                                                          └ more to do ─> slow lane: low priority, slice by slice
//! ```

mod admission;
mod events;
mod history;
mod lanes;
mod queue;
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

/// History read at a time, in bytes.
const READ_BYTES: usize = 256 * 1024;
/// Events of one page, in bytes: a page ends with the event that reaches this.
pub(crate) const EVENT_PAGE_BYTES_MAX: usize = 128 * 1024;
/// What an event in memory takes beside its payload, in bytes.
const EVENT_OVERHEAD_BYTES: usize = 512;

/// The aggregate that is asked about.
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

/// Makes the reservation what a page of `bytes` and the text made of it take.
fn hold(turn: &ReadTurn<'_>, reserved: &mut MemoryReservation, bytes: usize) -> Result<(), ReadError> {
    let bytes = 2 * bytes as u64;
    reserved.shrink_to(bytes);
    if reserved.bytes() < bytes {
        // One large event.
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
