//! Effects, in the order of their events, as readers get them.
//!
//! A reader continues from a cursor, so an effect must not appear before one that a reader may have read. Three rules
//! ensure this:
//!
//! 1. Readers get effects up to the position that every view of the domain has reached (*settled*), and no further.
//! 2. An effect is listed at the position of its event, because views only fold events after the settled position.
//! 3. An effect that comes later (from a parked event that is applied now, or from a view that is built beside others)
//!    is listed right after the settled position.

use polder_core::{DomainName, Position, ProjectionName};
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::value::RawValue;

use super::rows::{NewEffect, StoreResult, View, parsed, unreadable};
use crate::views::answers::{EffectCursor, EffectPage, RecordedEffect};

/// The settled position. A view that is built for the first time beside existing views does not delay their effects.
const SETTLED: &str = "SELECT min(checkpoint) FROM views WHERE domain = ?1 AND live = 1 AND (late = 0 OR built = 1)";

fn settled(transaction: &Transaction<'_>, domain: &DomainName) -> StoreResult<u64> {
    let settled: Option<Option<u64>> =
        transaction.prepare_cached(SETTLED)?.query_row([domain.as_str()], |row| row.get(0)).optional()?;
    Ok(settled.flatten().unwrap_or(0))
}

pub(super) fn write_effects(transaction: &Transaction<'_>, view: &View, effects: &[NewEffect]) -> StoreResult<()> {
    if effects.is_empty() {
        return Ok(());
    }
    let settled = settled(transaction, &view.domain)?;
    // Several events may request an effect with the same key. The first event counts, whichever is folded first, as
    // long as no reader has got the effect.
    let mut statement = transaction.prepare_cached(
        "INSERT INTO effects (domain, projection, key, listed, position, document, ordinal, kind, target, payload)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (domain, projection, key) DO UPDATE SET listed = excluded.listed, position = excluded.position,
            document = excluded.document, ordinal = excluded.ordinal, kind = excluded.kind, target = excluded.target,
            payload = excluded.payload
         WHERE excluded.position < position AND listed > ?11",
    )?;
    for effect in effects {
        statement.execute(params![
            view.domain.as_str(),
            view.projection.as_str(),
            effect.key,
            effect.position.max(settled + 1),
            effect.position,
            effect.document,
            effect.ordinal,
            effect.kind,
            effect.target,
            effect.payload,
            settled
        ])?;
    }
    Ok(())
}

/// Bytes of payloads at which a page of effects ends. A page holds at least one effect, however large.
const EFFECT_BYTES_PER_PAGE_MAX: usize = 4 * 1024 * 1024;

pub(crate) fn read_effects(
    transaction: &Transaction<'_>,
    domain: &DomainName,
    after: EffectCursor,
    limit: usize,
) -> StoreResult<EffectPage> {
    let settled = settled(transaction, domain)?;
    let mut page =
        EffectPage { effects: Vec::new(), next: after, position: Position(settled), has_more: false, reserved: None };
    let Ok(from) = i64::try_from(after.position.0) else { return Ok(page) };
    let mut statement = transaction.prepare_cached(
        "SELECT listed, projection, kind, target, key, payload, position FROM effects
         WHERE domain = ?1 AND listed >= ?2 AND listed <= ?3
         ORDER BY listed, projection, position, document, ordinal LIMIT ?4 OFFSET ?5",
    )?;
    // A cursor without an index is after all effects listed at its position.
    let (from, offset) = match after.index {
        Some(index) => (from, index),
        None => (from.saturating_add(1), 0),
    };
    let rows = statement.query_map(params![domain.as_str(), from, settled, limit as i64 + 1, offset], |row| {
        let listed = Position(row.get(0)?);
        Ok((
            listed,
            RecordedEffect {
                cursor: EffectCursor { position: listed, index: None },
                position: Position(row.get(6)?),
                domain: domain.clone(),
                projection: parsed::<ProjectionName>(1, &row.get::<_, String>(1)?)?,
                kind: row.get(2)?,
                target: row.get(3)?,
                key: row.get(4)?,
                payload: RawValue::from_string(row.get(5)?).map_err(|error| unreadable(5, error))?,
            },
        ))
    })?;
    let (mut last, mut bytes) = ((after.position, after.index.unwrap_or(0)), 0);
    for row in rows {
        let (listed, mut effect) = row?;
        bytes += effect.payload.get().len();
        if page.effects.len() == limit || bytes > EFFECT_BYTES_PER_PAGE_MAX && !page.effects.is_empty() {
            page.has_more = true;
            break;
        }
        last = if listed == last.0 { (listed, last.1 + 1) } else { (listed, 1) };
        effect.cursor = EffectCursor { position: listed, index: Some(last.1) };
        page.next = effect.cursor;
        page.effects.push(effect);
    }
    if !page.has_more && page.next.position.0 <= settled {
        page.next = EffectCursor { position: Position(settled), index: None };
    }
    Ok(page)
}
