//! Answers from the history itself: an aggregate's state at any time, its events, the tenant's events. Blocking; runs on
//! threads made for that, never on the write path's.

use polder_core::{AggregateId, AggregateName, DomainName, Event, Position, Sequence, TenantName};
use polder_journal::{AggregateKey, Reader, RecordError, RecordView};
use serde_json::value::RawValue;

use crate::domain::Active;
use crate::pipeline::{FoldError, Wanted, fold_history};
use crate::tenant::Tenant;
use crate::{AsOf, EventFilter, EventPage, ReadError, StateAnswer};

/// History read at a time, in bytes.
const READ_BYTES: usize = 256 * 1024;
/// Records of one aggregate read at a time.
const RECORDS_PER_READ: usize = 256;

/// Which aggregate is asked about.
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

pub(crate) fn state(
    reader: &Reader,
    active: &Active,
    asked: &Asked<'_>,
    as_of: AsOf,
) -> Result<StateAnswer, ReadError> {
    let newest = reader.last_of(asked.key()).map_err(storage)?.ok_or_else(|| asked.missing(""))?;
    let newest = newest.view().sequence();
    let sequence_max = match as_of {
        AsOf::Sequence(sequence) if sequence > newest || sequence == Sequence::ZERO => {
            let (aggregate, id) = (asked.aggregate.clone(), asked.id.clone());
            return Err(ReadError::NoSuchSequence { aggregate, id, asked: sequence, newest });
        }
        AsOf::Sequence(sequence) => sequence,
        AsOf::Time(time) => sequence_at(reader, asked, time.0)?,
        AsOf::Now => newest,
    };
    let fault =
        |reason: String| ReadError::GuestFault { domain: asked.domain.clone(), revision: active.revision, reason };
    let mut instance = active.rules.instantiate(&asked.tenant.limits()).map_err(|error| fault(error.to_string()))?;
    let wanted = Wanted { key: asked.key(), aggregate: asked.aggregate, id: asked.id, revision: &active.revision };
    let folded = fold_history(&mut *instance, reader, wanted, sequence_max).map_err(|error| match error {
        FoldError::Call(error) => fault(error.to_string()),
        FoldError::Journal(error) => storage(error),
        FoldError::Content(error) => damaged(error),
    })?;
    let state = instance.inspect(&folded.state).map_err(|error| fault(error.to_string()))?;
    let state = RawValue::from_string(state).map_err(|error| fault(format!("inspect gave no JSON: {error}")))?;
    let at_ms = time_of(reader, asked, folded.sequence)?;
    Ok(StateAnswer { sequence: folded.sequence, revision: active.revision, at_ms, state })
}

/// Where the aggregate stood then: before its first event that was recorded later.
fn sequence_at(reader: &Reader, asked: &Asked<'_>, time_ms: u64) -> Result<Sequence, ReadError> {
    let mut at = Sequence::ZERO;
    loop {
        let records = reader.history(asked.key(), at, RECORDS_PER_READ).map_err(storage)?;
        let by_then = records.iter().take_while(|record| record.view().at_ms().0 <= time_ms);
        let count = by_then.clone().count();
        at = by_then.last().map_or(at, |record| record.view().sequence());
        if count < RECORDS_PER_READ {
            return if at == Sequence::ZERO { Err(asked.missing(" by then")) } else { Ok(at) };
        }
    }
}

fn time_of(reader: &Reader, asked: &Asked<'_>, sequence: Sequence) -> Result<polder_core::TimestampMs, ReadError> {
    let before = Sequence(sequence.0.saturating_sub(1));
    let records = reader.history(asked.key(), before, 1).map_err(storage)?;
    Ok(records.first().map(|record| record.view().at_ms()).unwrap_or_default())
}

pub(crate) fn history(
    reader: &Reader,
    asked: &Asked<'_>,
    from: Sequence,
    limit: usize,
) -> Result<Vec<Event>, ReadError> {
    if reader.last_of(asked.key()).map_err(storage)?.is_none() {
        return Err(asked.missing(""));
    }
    let mut after = Sequence(from.0.saturating_sub(1));
    let mut events = Vec::new();
    while events.len() < limit {
        let records = reader.history(asked.key(), after, RECORDS_PER_READ.min(limit)).map_err(storage)?;
        let Some(last) = records.last() else { break };
        for record in &records {
            let view = record.view();
            for event in view.events().filter(|event| event.sequence > after).take(limit - events.len()) {
                events.push(view.to_event(&event).map_err(damaged)?);
            }
        }
        after = last.view().sequence();
    }
    Ok(events)
}

/// Looks at one stretch of the history: a page may be empty while there is more.
pub(crate) fn events(
    reader: &Reader,
    tenant: &TenantName,
    filter: &EventFilter,
    after: Position,
    limit: usize,
) -> Result<EventPage, ReadError> {
    let batch = reader.tenant_batch(tenant, after, READ_BYTES).map_err(storage)?;
    let mut page = EventPage { events: Vec::new(), next: batch.last() };
    for (record, event) in batch.events() {
        if !passes(filter, &record, event.name) {
            continue;
        }
        if page.events.len() == limit {
            page.next = Position(event.position.0 - 1);
            break;
        }
        page.events.push(record.to_event(&event).map_err(damaged)?);
    }
    Ok(page)
}

fn passes(filter: &EventFilter, record: &RecordView<'_>, name: &str) -> bool {
    filter.domain.as_ref().is_none_or(|domain| domain.as_str() == record.domain())
        && filter.name.as_ref().is_none_or(|wanted| wanted.as_str() == name)
        && filter.about.as_ref().is_none_or(|tenant| is_about(record, tenant))
        && filter.aggregate_id.as_ref().is_none_or(|wanted| wanted.as_str() == record.aggregate_id())
        && filter.correlation_id.as_ref().is_none_or(|wanted| wanted.as_str() == record.correlation_id())
}

/// About the tenant itself, or about something of it: `acme:orders`.
fn is_about(record: &RecordView<'_>, tenant: &TenantName) -> bool {
    let rest = record.aggregate_id().strip_prefix(tenant.as_str());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

pub(crate) fn storage(error: impl std::fmt::Display) -> ReadError {
    ReadError::Storage(error.to_string())
}

fn damaged(error: RecordError) -> ReadError {
    ReadError::Storage(format!("the journal is damaged: {error}; run `polder verify`"))
}
