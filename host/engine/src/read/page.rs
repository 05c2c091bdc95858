//! The size of a page of events, and the memory that is held for it.

use polder_core::MemoryReservation;

use super::read_error::ReadError;
use super::time_slice::ReadTurn;

/// Bytes of history per read.
pub(super) const READ_BYTES: usize = 256 * 1024;
/// Size of a page in bytes, including [`EVENT_OVERHEAD_BYTES`] per event. A page ends with the event that reaches it.
pub(super) const EVENT_PAGE_BYTES_MAX: usize = 128 * 1024;
/// Memory of an event without its payload, in bytes.
pub(super) const EVENT_OVERHEAD_BYTES: usize = 512;

/// Adjusts the reservation to the memory of a page of `bytes` and its serialized text.
pub(super) fn hold(turn: &ReadTurn<'_>, reserved: &mut MemoryReservation, bytes: usize) -> Result<(), ReadError> {
    let bytes = 2 * bytes as u64;
    reserved.shrink_to(bytes);
    if reserved.bytes() < bytes {
        // A single large event may need more than was reserved.
        *reserved = turn.reserve(bytes)?;
    }
    Ok(())
}
