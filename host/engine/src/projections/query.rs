//! Reads documents: one by its key, or many by their fields.

use polder_core::{DomainName, Position, ProjectionName};
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;
use serde_json::value::RawValue;

use super::ViewsReader;
use super::store::StoreResult;
use crate::{Direction, Document, DocumentPage, DocumentQuery, EffectPage, RecordedEffect};

/// Documents of an answer when the question names no limit.
pub(crate) const DOCUMENTS_PER_PAGE: u32 = 100;
/// Most documents of one answer.
pub(crate) const DOCUMENTS_PER_PAGE_MAX: u32 = 10_000;

/// The field as text: what SQLite would show as 1 and 0 is named as JSON names it.
const FIELD_AS_TEXT: &str = "CASE json_type(body, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'
    WHEN 'null' THEN 'null' ELSE CAST(json_extract(body, ?) AS TEXT) END = ?";

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
    ) -> StoreResult<Option<Document>> {
        self.store().read(|transaction| {
            let Some(live) = live(transaction, domain, projection)? else { return Ok(None) };
            let sql = format!("SELECT key, body FROM documents_{} WHERE key = ?1", live.id);
            transaction.prepare_cached(&sql)?.query_row([key], document_of).optional()
        })
    }

    pub(crate) fn documents(
        &self,
        domain: &DomainName,
        projection: &ProjectionName,
        query: &DocumentQuery,
    ) -> StoreResult<DocumentPage> {
        self.store().read(|transaction| {
            let Some(live) = live(transaction, domain, projection)? else {
                return Ok(DocumentPage { position: Position::ZERO, documents: Vec::new() });
            };
            let (sql, values) = statement(live.id, query);
            let documents = transaction
                .prepare_cached(&sql)?
                .query_map(rusqlite::params_from_iter(values), document_of)?
                .collect::<Result<_, _>>()?;
            Ok(DocumentPage { position: live.position, documents })
        })
    }

    pub(crate) fn effects(&self, domain: &DomainName, after: u64, limit: usize) -> StoreResult<EffectPage> {
        self.store().read(|transaction| {
            let mut statement = transaction.prepare_cached(
                "SELECT number, projection, kind, target, key, payload FROM effects
                 WHERE domain = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
            )?;
            let rows = statement.query_map(params![domain.as_str(), after as i64, limit as i64], |row| {
                Ok(RecordedEffect {
                    number: row.get::<_, i64>(0)?.unsigned_abs(),
                    domain: domain.clone(),
                    projection: ProjectionName::new(&row.get::<_, String>(1)?).map_err(|error| unreadable(1, error))?,
                    kind: row.get(2)?,
                    target: row.get(3)?,
                    key: row.get(4)?,
                    payload: RawValue::from_string(row.get(5)?).map_err(|error| unreadable(5, error))?,
                })
            })?;
            let effects: Vec<_> = rows.collect::<Result<_, _>>()?;
            let next = effects.last().map_or(after, |effect| effect.number);
            Ok(EffectPage { effects, next })
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

fn statement(view: i64, query: &DocumentQuery) -> (String, Vec<rusqlite::types::Value>) {
    let mut sql = format!("SELECT key, body FROM documents_{view}");
    let mut values: Vec<rusqlite::types::Value> = Vec::new();
    for (index, (field, wanted)) in query.filters.iter().enumerate() {
        sql.push_str(if index == 0 { " WHERE " } else { " AND " });
        sql.push_str(FIELD_AS_TEXT);
        let path = path_of(field);
        values.extend([path.clone().into(), path.into(), wanted.clone().into()]);
    }
    sql.push_str(" ORDER BY ");
    if let Some((field, direction)) = &query.order {
        let direction = if *direction == Direction::Descending { "DESC" } else { "ASC" };
        sql.push_str(&format!("json_extract(body, ?) {direction}, "));
        values.push(path_of(field).into());
    }
    sql.push_str("key LIMIT ? OFFSET ?");
    let limit = query.limit.unwrap_or(DOCUMENTS_PER_PAGE);
    values.extend([i64::from(limit).into(), i64::from(query.offset).into()]);
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
            Ok(Live { id: row.get(0)?, position: Position(row.get::<_, i64>(1)?.unsigned_abs()) })
        })
        .optional()
}

fn document_of(row: &rusqlite::Row<'_>) -> StoreResult<Document> {
    let document = RawValue::from_string(row.get(1)?).map_err(|error| unreadable(1, error))?;
    Ok(Document { key: row.get(0)?, document })
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
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
