//! Pages of a tenant's events. A page covers one part of the history, so it may be empty although more events follow.

use polder_core::{Position, TenantName};
use polder_journal::{Reader, RecordView};

use super::answers::{EventFilter, EventPage};
use super::page::{EVENT_OVERHEAD_BYTES, EVENT_PAGE_BYTES_MAX, READ_BYTES, hold};
use super::read_error::{damaged, storage};
use super::time_slice::{ReadStop, ReadTurn};

pub(super) fn events(
    reader: &Reader,
    turn: &ReadTurn<'_>,
    tenant: &TenantName,
    filter: &EventFilter,
    after: Position,
    limit: usize,
) -> Result<EventPage, ReadStop> {
    let mut reserved = turn.reserve(2 * READ_BYTES as u64)?;
    let batch = reader.tenant_batch(tenant, after, READ_BYTES).map_err(storage)?;
    let (mut events, mut next, mut bytes) = (Vec::new(), batch.last(), 0);
    for (record, event) in batch.events() {
        if !passes(filter, &record, event.name) {
            continue;
        }
        if events.len() >= limit || bytes >= EVENT_PAGE_BYTES_MAX {
            next = Position(event.position.0 - 1);
            break;
        }
        let event = record.to_event(&event).map_err(damaged)?;
        bytes += event.payload.get().len() + EVENT_OVERHEAD_BYTES;
        events.push(event);
    }
    hold(turn, &mut reserved, bytes)?;
    Ok(EventPage { events, next, reserved: Some(reserved) })
}

fn passes(filter: &EventFilter, record: &RecordView<'_>, name: &str) -> bool {
    filter.domain.as_ref().is_none_or(|domain| domain.as_str() == record.domain())
        && filter.name.as_ref().is_none_or(|wanted| wanted.as_str() == name)
        && filter.about.as_ref().is_none_or(|tenant| is_about(record, tenant))
        && filter.aggregate_id.as_ref().is_none_or(|wanted| wanted.as_str() == record.aggregate_id())
        && filter.correlation_id.as_ref().is_none_or(|wanted| wanted.as_str() == record.correlation_id())
}

/// Whether the record is about the tenant itself or something that belongs to it, such as `acme:orders`.
fn is_about(record: &RecordView<'_>, tenant: &TenantName) -> bool {
    let rest = record.aggregate_id().strip_prefix(tenant.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}
