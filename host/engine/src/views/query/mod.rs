//! Queries documents: one by its key, or many by their fields.

mod field_types;
mod time_fields;

use std::time::Duration;

use polder_core::{DomainName, MemoryReservation, Position, ProjectionName};
use rusqlite::types::Value as SqlValue;
use rusqlite::{ErrorCode, OptionalExtension, Transaction, params, params_from_iter};
use serde_json::Value;
use serde_json::value::RawValue;

use super::store::{StoreResult, is_damage, parked_events, read_effects, set_aside, unreadable};
use crate::read::{ReadError, ReadStop, ReadTurn, SetAside};
use crate::views::answers::{
    Direction, Document, DocumentAnswer, DocumentPage, DocumentQuery, EffectCursor, EffectPage, ParkedEvent,
    ParkedFilter,
};
use crate::views::views_reader::ViewsReader;

/// Documents in an answer when the query names no limit.
pub(crate) const DOCUMENTS_PER_PAGE: u32 = 100;
/// Largest number of documents in one answer.
pub(crate) const DOCUMENTS_PER_PAGE_MAX: u32 = 10_000;
/// Bytes of documents at which a page ends. A page holds at least one document, however large.
pub(crate) const DOCUMENT_BYTES_PER_PAGE_MAX: u64 = 4 * 1024 * 1024;

/// Wall-clock time that one query of a view may take on the fast lane. A query that needs more starts again on the slow
/// lane.
const FAST_READ_TIME_MAX: Duration = Duration::from_millis(20);
/// Wall-clock time that one query of a view may take on the slow lane. A query that needs more is refused; it has to
/// read fewer documents.
const READ_TIME_MAX: Duration = Duration::from_secs(5);

/// The reason why a query has no answer.
#[derive(Debug)]
pub(crate) enum ReadFailure {
    Stop(ReadStop),
    /// The views are rebuilt; the query should be repeated.
    Damaged,
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for ReadFailure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<ReadError> for ReadFailure {
    fn from(error: ReadError) -> Self {
        Self::Stop(error.into())
    }
}

fn too_slow() -> ReadError {
    ReadError::TooSlow(format!(
        "the query reads more than is possible in {} s: ask for less, by key or without an order",
        READ_TIME_MAX.as_secs()
    ))
}

/// A document, or the reason why it is missing.
#[derive(Debug)]
pub(crate) struct FoundDocument {
    pub(crate) document: Option<DocumentAnswer>,
    pub(crate) set_aside: Option<SetAside>,
    pub(crate) position: Position,
}

/// A live view in a snapshot.
struct Live {
    id: i64,
    position: Position,
}

impl ViewsReader {
    pub(crate) fn document(
        &self,
        domain: &DomainName,
        projection: &ProjectionName,
        key: &str,
        turn: &ReadTurn<'_>,
    ) -> Result<FoundDocument, ReadFailure> {
        self.read(turn, |transaction| {
            let Some(Live { id, position }) = live(transaction, domain, projection)? else {
                return Ok(FoundDocument { document: None, set_aside: None, position: Position::ZERO });
            };
            let size = format!("SELECT octet_length(body) FROM documents_{id} WHERE key = ?1");
            let bytes: Option<u64> =
                transaction.prepare_cached(&size)?.query_row([key], |row| row.get(0)).optional()?;
            let reserved = hold(turn, bytes.unwrap_or_default())?;
            let sql = format!("SELECT key, body FROM documents_{id} WHERE key = ?1");
            let found = transaction.prepare_cached(&sql)?.query_row([key], document_of).optional()?;
            let aside = set_aside(transaction, id, Some(key))?;
            let unrouted = set_aside(transaction, id, Some(""))?;
            let document = found.map(|Document { key, document, .. }| DocumentAnswer {
                position,
                key,
                document,
                set_aside: aside,
                unrouted,
                reserved: Some(reserved),
            });
            Ok(FoundDocument { document, set_aside: aside.or(unrouted), position })
        })
    }

    pub(crate) fn documents(
        &self,
        domain: &DomainName,
        projection: &ProjectionName,
        query: &DocumentQuery,
        schema: &Value,
        turn: &ReadTurn<'_>,
    ) -> Result<DocumentPage, ReadFailure> {
        self.read(turn, |transaction| {
            let Some(live) = live(transaction, domain, projection)? else {
                return Ok(DocumentPage {
                    position: Position::ZERO,
                    documents: Vec::new(),
                    next_offset: None,
                    total: None,
                    set_aside: None,
                    reserved: None,
                });
            };
            let (keys, bytes, has_more) = keys_of_page(transaction, &live, query, schema)?;
            let reserved = hold(turn, bytes)?;
            let documents = documents_of(transaction, &live, &keys)?;
            let next_offset = query.offset.saturating_add(documents.len() as u32);
            let set_aside = set_aside(transaction, live.id, None)?;
            Ok(DocumentPage {
                position: live.position,
                documents,
                next_offset: has_more.then_some(next_offset),
                set_aside,
                // Last, because nothing can be read after a count that took too long.
                total: count(transaction, &live, query, schema, turn)?,
                reserved: Some(reserved),
            })
        })
    }

    pub(crate) fn effects(
        &self,
        domain: &DomainName,
        after: EffectCursor,
        limit: usize,
        turn: &ReadTurn<'_>,
    ) -> Result<EffectPage, ReadFailure> {
        self.read(turn, |transaction| {
            let page = read_effects(transaction, domain, after, limit)?;
            let bytes = page.effects.iter().map(|effect| effect.payload.get().len() as u64).sum();
            Ok(EffectPage { reserved: Some(hold(turn, bytes)?), ..page })
        })
    }

    /// The parked events that the filter selects, at most `limit`.
    pub(crate) fn parked(
        &self,
        filter: &ParkedFilter,
        limit: usize,
        turn: &ReadTurn<'_>,
    ) -> Result<Vec<ParkedEvent>, ReadFailure> {
        self.read(turn, |transaction| Ok(parked_events(transaction, filter, limit)?))
    }

    fn read<T>(
        &self,
        turn: &ReadTurn<'_>,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, ReadFailure>,
    ) -> Result<T, ReadFailure> {
        let time_max = if turn.is_slow() { READ_TIME_MAX } else { FAST_READ_TIME_MAX };
        self.0.store.read(time_max, &turn.gone(), work).map_err(|failure| match failure {
            ReadFailure::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                ReadFailure::Stop(match turn.is_slow() {
                    _ if turn.is_gone() => ReadStop::Gone,
                    true => too_slow().into(),
                    false => ReadStop::NextTurn,
                })
            }
            ReadFailure::Sqlite(error) if is_damage(&error) => {
                self.0.note_damage();
                ReadFailure::Damaged
            }
            other => other,
        })
    }
}

/// Reserves memory for documents and their serialized text, until the client has received it.
fn hold(turn: &ReadTurn<'_>, bytes: u64) -> Result<MemoryReservation, ReadError> {
    turn.reserve(bytes.saturating_mul(2))
}

/// Checks a query against the schema of the documents.
pub(crate) fn check(query: &DocumentQuery, schema: &Value) -> Result<(), String> {
    if let Some(limit) = query.limit
        && !(1..=DOCUMENTS_PER_PAGE_MAX).contains(&limit)
    {
        return Err(format!("limit {limit} is out of range: 1 to {DOCUMENTS_PER_PAGE_MAX}"));
    }
    let fields = query.filters.iter().map(|(field, _)| field).chain(query.order.iter().map(|(field, _)| field));
    for field in fields {
        let is_name = |part: &str| !part.is_empty() && !part.contains(['"', '\\', '[', ']']);
        if !field.split('.').all(is_name) {
            return Err(format!("{field:?} is not a field: name it by its path, as in customer.city"));
        }
        let first = field.split('.').next().unwrap_or_default();
        if let Some(known) = schema.get("properties").and_then(Value::as_object)
            && !known.contains_key(first)
        {
            let known: Vec<_> = known.keys().map(String::as_str).collect();
            return Err(format!("the documents have no field {first:?}; they have {}", known.join(", ")));
        }
    }
    for (field, wanted) in &query.filters {
        if let Some(right) = field_types::mismatch(schema, field, wanted) {
            return Err(format!("field {field:?} cannot be {wanted:?}: it is {right}"));
        }
    }
    Ok(())
}

/// The keys of a page's documents, their size in bytes, and whether more follow. Only keys are sorted, so that bodies
/// are only read of the documents on the page.
fn keys_of_page(
    transaction: &Transaction<'_>,
    live: &Live,
    query: &DocumentQuery,
    schema: &Value,
) -> StoreResult<(Vec<String>, u64, bool)> {
    let limit = query.limit.unwrap_or(DOCUMENTS_PER_PAGE) as usize;
    let (condition, mut values) = condition(query, schema);
    let mut sql = format!("SELECT key, octet_length(body) FROM documents_{}{condition} ORDER BY ", live.id);
    if let Some((field, direction)) = &query.order {
        let direction = if *direction == Direction::Descending { "DESC" } else { "ASC" };
        sql.push_str(&format!("polder_order(body -> ?, ?) {direction}, "));
        values.extend([path_of(field).into(), time_fields::is_time(schema, field).into()]);
    }
    sql.push_str("key LIMIT ? OFFSET ?");
    values.extend([(limit as i64 + 1).into(), i64::from(query.offset).into()]);
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let (mut keys, mut bytes) = (Vec::new(), 0_u64);
    while let Some(row) = rows.next()? {
        let with_this = bytes.saturating_add(row.get(1)?);
        if keys.len() == limit || with_this > DOCUMENT_BYTES_PER_PAGE_MAX && !keys.is_empty() {
            return Ok((keys, bytes, true));
        }
        keys.push(row.get(0)?);
        bytes = with_this;
    }
    Ok((keys, bytes, false))
}

fn documents_of(transaction: &Transaction<'_>, live: &Live, keys: &[String]) -> StoreResult<Vec<Document>> {
    let mut body =
        transaction.prepare_cached(&format!("SELECT key, body FROM documents_{} WHERE key = ?1", live.id))?;
    let document = |key: &String| {
        let document = body.query_row([key], document_of)?;
        Ok(Document { set_aside: set_aside(transaction, live.id, Some(key))?, ..document })
    };
    keys.iter().map(document).collect()
}

/// The number of matching documents; `None` if it was not requested, or could not be counted in time.
fn count(
    transaction: &Transaction<'_>,
    live: &Live,
    query: &DocumentQuery,
    schema: &Value,
    turn: &ReadTurn<'_>,
) -> StoreResult<Option<u64>> {
    if !query.count {
        return Ok(None);
    }
    let (condition, values) = condition(query, schema);
    let sql = format!("SELECT count(*) FROM documents_{}{condition}", live.id);
    match transaction.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0)) {
        Ok(total) => Ok(Some(total)),
        // On the fast lane the whole query begins again, on the slow lane.
        Err(error) if turn.is_slow() && error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

fn condition(query: &DocumentQuery, schema: &Value) -> (String, Vec<SqlValue>) {
    let (mut sql, mut values) = (String::new(), Vec::new());
    for (index, (field, wanted)) in query.filters.iter().enumerate() {
        sql.push_str(if index == 0 { " WHERE " } else { " AND " });
        sql.push_str("polder_is(body -> ?, ?, ?)");
        let is_time = time_fields::is_time(schema, field);
        values.extend([SqlValue::from(path_of(field)), wanted.clone().into(), is_time.into()]);
    }
    (sql, values)
}

/// Converts `customer.city` to SQLite's path `$."customer"."city"`.
fn path_of(field: &str) -> String {
    field.split('.').fold("$".to_owned(), |path, part| format!("{path}.\"{part}\""))
}

fn live(transaction: &Transaction<'_>, domain: &DomainName, projection: &ProjectionName) -> StoreResult<Option<Live>> {
    transaction
        .prepare_cached("SELECT id, checkpoint FROM views WHERE domain = ?1 AND projection = ?2 AND live = 1")?
        .query_row(params![domain.as_str(), projection.as_str()], |row| {
            Ok(Live { id: row.get(0)?, position: Position(row.get(1)?) })
        })
        .optional()
}

fn document_of(row: &rusqlite::Row<'_>) -> StoreResult<Document> {
    let document = RawValue::from_string(row.get(1)?).map_err(|error| unreadable(1, error))?;
    Ok(Document { key: row.get(0)?, document, set_aside: None })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use polder_core::Revision;
    use serde_json::json;

    use super::super::store::{Changes, ViewStore};
    use super::*;

    #[test]
    fn queries_are_checked_against_the_schema() {
        let schema = json!({ "properties": { "customer": {}, "total": {} } });
        let ask = |field: &str, limit| DocumentQuery {
            filters: vec![(field.into(), "x".into())],
            limit,
            ..DocumentQuery::default()
        };
        assert_eq!(check(&ask("customer.city", Some(10)), &schema), Ok(()));
        assert!(check(&ask("city", None), &schema).unwrap_err().contains("customer, total"));
        for bad in ["", "customer.", "cust\"omer", "a[0]"] {
            assert!(check(&ask(bad, None), &json!({})).unwrap_err().contains("customer.city"), "{bad}");
        }
        assert!(check(&ask("total", Some(0)), &schema).unwrap_err().contains("1 to 10000"));
        assert_eq!(path_of("a.b c"), "$.\"a\".\"b c\"");
    }

    /// A page holds at least one document, however large it is.
    #[test]
    fn a_page_ends_before_its_bytes_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let store = ViewStore::open(&folder.path().join("main.sqlite")).unwrap();
        let (domain, projection) = ("orders".parse().unwrap(), "summary".parse().unwrap());
        let view = store.view(&domain, &projection, Revision::of(b"1")).unwrap();
        let half = DOCUMENT_BYTES_PER_PAGE_MAX as usize / 2;
        let sizes = [("a", half), ("b", half - 10), ("c", 10), ("d", 3 * half), ("e", 10)];
        let body = |bytes: usize| Some(format!("\"{}\"", "x".repeat(bytes)).into_bytes());
        let documents = sizes.iter().map(|(key, bytes)| ((*key).to_owned(), body(*bytes))).collect();
        let changes = Changes { documents, checkpoint: Position(1), ..Changes::default() };
        store.write(&view, &changes, u64::MAX).unwrap();
        let live = Live { id: view.id.0, position: Position(1) };
        let page = |offset| -> (Vec<String>, bool) {
            let query = DocumentQuery { offset, ..DocumentQuery::default() };
            let ask = |transaction: &Transaction<'_>| keys_of_page(transaction, &live, &query, &json!({}));
            let (keys, bytes, has_more) = store.read(READ_TIME_MAX, &Arc::default(), ask).unwrap();
            assert!(bytes <= DOCUMENT_BYTES_PER_PAGE_MAX || keys.len() == 1, "{bytes} bytes");
            (keys, has_more)
        };
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        assert_eq!(page(0), (keys(&["a", "b"]), true));
        assert_eq!(page(2), (keys(&["c"]), true));
        assert_eq!(page(3), (keys(&["d"]), true));
        assert_eq!(page(4), (keys(&["e"]), false));
    }
}
