//! Reads documents: one by its key, or many by their fields.

mod number;
mod time_fields;
mod value;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use polder_core::{DomainName, Position, ProjectionName};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value as SqlValue;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params, params_from_iter};
use serde_json::Value;
use serde_json::value::RawValue;

use super::ViewsReader;
use super::store::{READ_TIME_MAX, StoreResult, is_damage, read_effects, set_aside, unreadable};
use crate::answers::{EffectCursor, SetAside};
use crate::{Direction, Document, DocumentAnswer, DocumentPage, DocumentQuery, EffectPage};

/// Documents of an answer when the question names no limit.
pub(crate) const DOCUMENTS_PER_PAGE: u32 = 100;
/// Most documents of one answer.
pub(crate) const DOCUMENTS_PER_PAGE_MAX: u32 = 10_000;
/// Bytes of documents after which a page ends. It holds one document at least, however large.
pub(crate) const DOCUMENT_BYTES_PER_PAGE_MAX: usize = 4 * 1024 * 1024;

/// Why a question to a view has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFailure {
    #[error("the question looks at more documents than can be read in {} s: ask for fewer, by key or without an order", READ_TIME_MAX.as_secs())]
    TooSlow,
    /// The views are made anew; to be asked again.
    #[error("the read models were damaged and are being built anew")]
    Damaged,
    #[error(transparent)]
    Sqlite(rusqlite::Error),
}

/// One document, or why it is not there.
#[derive(Debug)]
pub(crate) struct FoundDocument {
    pub(crate) document: Option<DocumentAnswer>,
    pub(crate) set_aside: Option<SetAside>,
    pub(crate) position: Position,
}

/// A view as one moment shows it.
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
        ended: &Arc<AtomicBool>,
    ) -> Result<FoundDocument, ReadFailure> {
        self.read(ended, |transaction| {
            let Some(Live { id, position }) = live(transaction, domain, projection)? else {
                return Ok(FoundDocument { document: None, set_aside: None, position: Position::ZERO });
            };
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
        ended: &Arc<AtomicBool>,
    ) -> Result<DocumentPage, ReadFailure> {
        self.read(ended, |transaction| {
            let Some(live) = live(transaction, domain, projection)? else {
                return Ok(DocumentPage {
                    position: Position::ZERO,
                    documents: Vec::new(),
                    next_offset: None,
                    total: None,
                    set_aside: None,
                });
            };
            let (documents, has_more) = page(transaction, &live, query, schema)?;
            let next_offset = query.offset.saturating_add(documents.len() as u32);
            Ok(DocumentPage {
                position: live.position,
                documents,
                next_offset: has_more.then_some(next_offset),
                total: count(transaction, &live, query, schema)?,
                set_aside: set_aside(transaction, live.id, None)?,
            })
        })
    }

    pub(crate) fn effects(
        &self,
        domain: &DomainName,
        after: EffectCursor,
        limit: usize,
        ended: &Arc<AtomicBool>,
    ) -> Result<EffectPage, ReadFailure> {
        self.read(ended, |transaction| read_effects(transaction, domain, after, limit))
    }

    fn read<T>(
        &self,
        ended: &Arc<AtomicBool>,
        work: impl FnOnce(&Transaction<'_>) -> StoreResult<T>,
    ) -> Result<T, ReadFailure> {
        self.0.store.read(ended, work).map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => ReadFailure::TooSlow,
            _ if is_damage(&error) => {
                self.0.note_damage();
                ReadFailure::Damaged
            }
            _ => ReadFailure::Sqlite(error),
        })
    }
}

/// What is wrong with the question, given the schema of the documents.
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
    Ok(())
}

/// `polder_is(field, wanted, is_time)` and `polder_order(field, is_time)`, on the JSON of a field.
pub(crate) fn register_functions(connection: &Connection) -> StoreResult<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("polder_is", 3, flags, |context| {
        let (field, wanted) = (context.get::<Option<String>>(0)?, context.get::<String>(1)?);
        Ok(value::is(field.as_deref(), &wanted, context.get(2)?))
    })?;
    connection.create_scalar_function("polder_order", 2, flags, |context| {
        Ok(value::order_key(context.get::<Option<String>>(0)?.as_deref(), context.get(1)?))
    })
}

/// Sorted by keys alone, so that bodies are read only of the documents that are shown.
fn page(
    transaction: &Transaction<'_>,
    live: &Live,
    query: &DocumentQuery,
    schema: &Value,
) -> StoreResult<(Vec<Document>, bool)> {
    let limit = query.limit.unwrap_or(DOCUMENTS_PER_PAGE) as usize;
    let (condition, mut values) = condition(query, schema);
    let mut sql = format!("SELECT key FROM documents_{}{condition} ORDER BY ", live.id);
    if let Some((field, direction)) = &query.order {
        let direction = if *direction == Direction::Descending { "DESC" } else { "ASC" };
        sql.push_str(&format!("polder_order(body -> ?, ?) {direction}, "));
        values.extend([path_of(field).into(), time_fields::is_time(schema, field).into()]);
    }
    sql.push_str("key LIMIT ? OFFSET ?");
    values.extend([(limit as i64 + 1).into(), i64::from(query.offset).into()]);
    let keys: Vec<String> = transaction
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let (mut documents, mut bytes) = (Vec::new(), 0);
    let mut body =
        transaction.prepare_cached(&format!("SELECT key, body FROM documents_{} WHERE key = ?1", live.id))?;
    for key in &keys {
        if documents.len() == limit || bytes >= DOCUMENT_BYTES_PER_PAGE_MAX {
            return Ok((documents, true));
        }
        let mut document = body.query_row([key], document_of)?;
        bytes += document.document.get().len();
        if bytes > DOCUMENT_BYTES_PER_PAGE_MAX && !documents.is_empty() {
            return Ok((documents, true));
        }
        document.set_aside = set_aside(transaction, live.id, Some(key))?;
        documents.push(document);
    }
    Ok((documents, false))
}

/// `None` when it is not asked for, or cannot be counted in time.
fn count(
    transaction: &Transaction<'_>,
    live: &Live,
    query: &DocumentQuery,
    schema: &Value,
) -> StoreResult<Option<u64>> {
    if !query.count {
        return Ok(None);
    }
    let (condition, values) = condition(query, schema);
    let sql = format!("SELECT count(*) FROM documents_{}{condition}", live.id);
    match transaction.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0)) {
        Ok(total) => Ok(Some(total)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
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

/// `customer.city` as SQLite's path `$."customer"."city"`.
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
    use super::*;
    use serde_json::json;

    #[test]
    fn questions_are_checked_against_the_schema() {
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
}
