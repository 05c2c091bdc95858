//! Parked events: the projection could not apply them, or they wait behind an event that it could not apply.

use std::collections::HashSet;

use polder_core::{DomainName, Position, ProjectionName};
use rusqlite::{Row, ToSql, Transaction, params, params_from_iter};

use super::rows::{Line, Parked, StoreResult, View, ViewId, parsed};
use super::view_store::ViewStore;
use crate::read::SetAside;
use crate::views::answers::{ParkedEvent, ParkedFilter, ParkedKind};

/// Selects the first event of each [`Line`], which is a queue of parked events. The other columns are those of this
/// event.
const HEADS: &str = "SELECT key, aggregate, aggregate_id, kind, due, min(position) FROM parked
    WHERE view = ?1 AND kind <> 'discarded'
    GROUP BY key, CASE WHEN key = '' THEN aggregate END, CASE WHEN key = '' THEN aggregate_id END";

impl ViewStore {
    /// The lines that have a parked event.
    pub(crate) fn blocked(&self, view: ViewId) -> StoreResult<HashSet<Line>> {
        let connection = self.writer();
        let mut statement = connection.prepare_cached(HEADS)?;
        statement.query_map([view.0], line_of)?.collect()
    }

    /// The lines whose first event must be retried. An event that waited behind one that is gone is retried without a
    /// request.
    pub(crate) fn due(&self, view: ViewId) -> StoreResult<Vec<Line>> {
        let connection = self.writer();
        let mut statement =
            connection.prepare_cached(&format!("SELECT * FROM ({HEADS}) WHERE due OR kind = 'behind'"))?;
        statement.query_map([view.0], line_of)?.collect()
    }

    /// The first events of a line, in order.
    pub(crate) fn line(&self, view: ViewId, line: &Line, limit: usize) -> StoreResult<Vec<Position>> {
        let connection = self.writer();
        let sql = "SELECT position FROM parked WHERE view = ?1 AND key = ?2 AND kind <> 'discarded'
            AND (?2 <> '' OR (aggregate = ?3 AND aggregate_id = ?4)) ORDER BY position LIMIT ?5";
        let (aggregate, id) = match line {
            Line::Document(_) => ("", ""),
            Line::Aggregate { aggregate, id } => (aggregate.as_str(), id.as_str()),
        };
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![view.0, line.key(), aggregate, id, limit as i64], |row| row.get(0))?;
        rows.map(|position| position.map(Position)).collect()
    }

    pub(crate) fn parked_count(&self, view: ViewId) -> StoreResult<u64> {
        let sql = "SELECT count(*) FROM parked WHERE view = ?1 AND kind <> 'discarded'";
        self.writer().query_row(sql, [view.0], |row| row.get(0))
    }

    /// The events that the view sets aside but the live view of its projection has applied.
    pub(crate) fn set_aside_beyond(&self, view: &View) -> StoreResult<Option<SetAside>> {
        let sql = "SELECT min(new.position), count(DISTINCT new.position) FROM parked AS new
            JOIN views AS old ON old.domain = ?2 AND old.projection = ?3 AND old.live = 1 AND old.id <> ?1
            WHERE new.view = ?1 AND new.kind <> 'discarded' AND new.position <= old.checkpoint
            AND NOT EXISTS (SELECT 1 FROM parked WHERE parked.view = old.id AND parked.position = new.position)";
        let names = params![view.id.0, view.domain.as_str(), view.projection.as_str()];
        self.writer().query_row(sql, names, set_aside_of)
    }
}

/// The parked events that the filter selects, in the order of their positions, at most `limit`.
pub(crate) fn parked_events(
    transaction: &Transaction<'_>,
    filter: &ParkedFilter,
    limit: usize,
) -> StoreResult<Vec<ParkedEvent>> {
    let (condition, mut values) = condition(filter);
    let sql = format!(
        "SELECT views.domain, views.projection, asked.position, asked.key, asked.kind, asked.reason, asked.aggregate,
            asked.aggregate_id, asked.event, asked.version, asked.due, views.live, views.revision
         FROM parked AS asked JOIN views ON views.id = asked.view
         WHERE asked.kind <> 'discarded' AND {condition}
         ORDER BY asked.position, views.domain, views.projection, asked.key, views.id LIMIT ?"
    );
    values.push(Box::new(limit as i64));
    let mut statement = transaction.prepare_cached(&sql)?;
    statement.query_map(params_from_iter(values), parked_event_of)?.collect()
}

pub(super) fn write_parked(transaction: &Transaction<'_>, view: ViewId, parked: &Parked) -> StoreResult<()> {
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO parked (view, position, key, kind, reason, aggregate, aggregate_id, event, version)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            view.0,
            parked.position.0,
            parked.key,
            parked.kind.name(),
            parked.reason,
            parked.aggregate,
            parked.aggregate_id,
            parked.event,
            parked.version
        ])?;
    match parked.kind {
        ParkedKind::Failed | ParkedKind::Unrouted => set_not_due(transaction, view, parked),
        ParkedKind::Behind | ParkedKind::Discarded => Ok(()),
    }
}

/// The event was tried and has failed. So the events behind it in its line are not retried either.
fn set_not_due(transaction: &Transaction<'_>, view: ViewId, parked: &Parked) -> StoreResult<()> {
    let sql = "UPDATE parked SET due = 0 WHERE due AND view = ?1 AND key = ?2 AND position > ?3";
    if parked.key.is_empty() {
        let sql = format!("{sql} AND aggregate = ?4 AND aggregate_id = ?5");
        let line = params![view.0, parked.key, parked.position.0, parked.aggregate, parked.aggregate_id];
        transaction.prepare_cached(&sql)?.execute(line)?;
    } else {
        transaction.prepare_cached(sql)?.execute(params![view.0, parked.key, parked.position.0])?;
    }
    Ok(())
}

pub(super) fn remove_parked(transaction: &Transaction<'_>, view: ViewId, at: &(Position, String)) -> StoreResult<()> {
    transaction
        .prepare_cached("DELETE FROM parked WHERE view = ?1 AND position = ?2 AND key = ?3")?
        .execute(params![view.0, at.0.0, at.1])?;
    Ok(())
}

/// Summary of the parked events of one document, or of the events that could not be routed (with an empty `key`), or of
/// all (`None`).
pub(crate) fn set_aside(transaction: &Transaction<'_>, view: i64, key: Option<&str>) -> StoreResult<Option<SetAside>> {
    let sql = "SELECT min(position), count(DISTINCT position) FROM parked
        WHERE view = ?1 AND kind <> 'discarded' AND (?2 IS NULL OR key = ?2)";
    transaction.prepare_cached(sql)?.query_row(params![view, key], set_aside_of)
}

fn set_aside_of(row: &Row<'_>) -> StoreResult<Option<SetAside>> {
    let (first, events): (Option<u64>, u64) = (row.get(0)?, row.get(1)?);
    Ok(first.map(|first| SetAside { first: Position(first), events }))
}

/// An SQL condition on `asked` and `views`, with its values.
fn condition(filter: &ParkedFilter) -> (String, Vec<Box<dyn ToSql>>) {
    let (mut sql, mut values): (String, Vec<Box<dyn ToSql>>) = ("1".to_owned(), Vec::new());
    let mut add = |condition: &str, value: Box<dyn ToSql>| {
        sql.push_str(condition);
        values.push(value);
    };
    if let Some(after) = filter.after {
        add(" AND asked.position > ?", Box::new(i64::try_from(after.0).unwrap_or(i64::MAX)));
    }
    if let Some(position) = filter.position {
        add(" AND asked.position = ?", Box::new(i64::try_from(position.0).unwrap_or(i64::MAX)));
    }
    if let Some(projection) = &filter.projection {
        add(" AND views.projection = ?", Box::new(projection.to_string()));
    }
    if let Some(key) = &filter.key {
        add(" AND asked.key = ?", Box::new(key.clone()));
    }
    if let Some(domains) = &filter.domains {
        let names = serde_json::to_string(domains).unwrap_or_default();
        add(" AND views.domain IN (SELECT value FROM json_each(?))", Box::new(names));
    }
    (sql, values)
}

fn line_of(row: &Row<'_>) -> StoreResult<Line> {
    let key: String = row.get(0)?;
    Ok(match key.is_empty() {
        true => Line::Aggregate { aggregate: row.get(1)?, id: row.get(2)? },
        false => Line::Document(key),
    })
}

fn parked_event_of(row: &Row<'_>) -> StoreResult<ParkedEvent> {
    let key: String = row.get(3)?;
    Ok(ParkedEvent {
        domain: parsed::<DomainName>(0, &row.get::<_, String>(0)?)?,
        projection: parsed::<ProjectionName>(1, &row.get::<_, String>(1)?)?,
        position: Position(row.get(2)?),
        key: (!key.is_empty()).then_some(key),
        kind: ParkedKind::named(&row.get::<_, String>(4)?),
        reason: row.get(5)?,
        aggregate: row.get(6)?,
        aggregate_id: row.get(7)?,
        event: row.get(8)?,
        version: row.get(9)?,
        is_due: row.get(10)?,
        is_live: row.get(11)?,
        revision: parsed(12, &row.get::<_, String>(12)?)?,
    })
}
