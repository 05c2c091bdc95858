//! Pages of one aggregate's events. A page may begin in the middle of a record, and reads no more records than it
//! returns.

use polder_core::{Event, Sequence};
use polder_journal::Reader;

use super::aggregate_address::AggregateAddress;
use super::answers::HistoryPage;
use super::page::{EVENT_OVERHEAD_BYTES, EVENT_PAGE_BYTES_MAX, READ_BYTES, hold};
use super::read_error::{damaged, storage};
use super::time_slice::{ReadStop, ReadTurn};

/// Records of one aggregate per read.
const RECORDS_PER_READ: usize = 256;

/// Events from a sequence on: at most `limit`, and at most the bytes of a page. With `is_first`, fails if the aggregate
/// has no events at all.
pub(super) fn history(
    reader: &Reader,
    turn: &ReadTurn<'_>,
    address: &AggregateAddress<'_>,
    from: Sequence,
    limit: usize,
    is_first: bool,
) -> Result<HistoryPage, ReadStop> {
    if is_first && reader.last_of(address.key()).map_err(storage)?.is_none() {
        return Err(address.missing("").into());
    }
    let after = Sequence(from.0.saturating_sub(1));
    let mut reserved = turn.reserve(READ_BYTES as u64)?;
    let part = reader
        .history_part(address.key(), after, RECORDS_PER_READ.min(limit), EVENT_PAGE_BYTES_MAX)
        .map_err(storage)?;
    let (mut events, mut bytes): (Vec<Event>, usize) = (Vec::new(), 0);
    'page: for record in &part.records {
        let view = record.view();
        for event in view.events().filter(|event| event.sequence > after) {
            if events.len() >= limit || bytes >= EVENT_PAGE_BYTES_MAX {
                break 'page;
            }
            let event = view.to_event(&event).map_err(damaged)?;
            bytes += event.payload.get().len() + EVENT_OVERHEAD_BYTES;
            events.push(event);
        }
    }
    hold(turn, &mut reserved, bytes)?;
    let next = events.last().map_or(after, |event| event.sequence);
    Ok(HistoryPage { events, next, reserved: Some(reserved) })
}
