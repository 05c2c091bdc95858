//! Turns one row into a command by the map: a command, nothing, or the reason for a refusal. The result for the same
//! file never changes, so that a repeated import sends the same commands under the same ids.

use std::collections::BTreeMap;

use polder_core::{AggregateId, AggregateName, CommandId, CommandName, DomainName, ID_BYTES_MAX};
use serde::Serialize;
use serde_json::Value;

use crate::escape::escape;
use crate::field::{Field, is_nothing, word};
use crate::map::{CommandMap, KeyPart, Map};
use crate::node::Node;
use crate::refusal::Refusal;
use crate::row_ids::{KEYS_MAX, Keys};
use crate::rows::Row;

/// Bytes of a long key that precede its digest in an id, for people to read.
const LONG_KEY_SHOWN_BYTES: usize = 48;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCommand {
    /// Line of the file on which the row starts.
    pub line: u64,
    pub domain: DomainName,
    pub aggregate: AggregateName,
    pub aggregate_id: AggregateId,
    pub name: CommandName,
    /// The row's key. If the command is sent again, the host recognizes it by this id.
    pub id: CommandId,
    /// JSON, with fields sorted by name.
    pub payload: String,
}

impl Map {
    /// Returns `None` if the map skips the row. `keys` holds the keys of the rows before.
    pub(crate) fn plan(&self, row: &Row, keys: &mut Keys) -> Result<Option<PlannedCommand>, Refusal> {
        let key = self.key_of(row);
        // Every row is counted, even a refused one: otherwise later rows would get other numbers once it is corrected.
        let key = if self.row_key.has_occurrence { key.and_then(|key| with_occurrence(key, keys)) } else { key };
        if self.skip.iter().any(|when| when.holds(row, &self.nothing)) {
            return Ok(None);
        }
        let command = self.command_for(row)?;
        let payload = match evaluate(&command.fields, row)? {
            // The payload has sorted maps, text keys and finite numbers, so serializing cannot fail.
            Some(payload) => serde_json::to_string(&payload).unwrap_or_default(),
            None => String::from("{}"),
        };
        let aggregate_id = self.aggregate_id_of(row)?;
        let key = key?;
        let id = self.command_id_of(&key)?;
        if !self.row_key.has_occurrence && keys.count(&key).is_some_and(|count| count > 1) {
            let remedy = "row_key = [..., \"$occurrence\"] in the map distinguishes such rows, and \"$row\" distinguishes all rows";
            return Err(Refusal::new("an earlier row of this file has the same key", format!("key {key:?}; {remedy}")));
        }
        Ok(Some(PlannedCommand {
            line: row.line,
            domain: self.domain.clone(),
            aggregate: self.aggregate.clone(),
            aggregate_id,
            name: command.name.clone(),
            id,
            payload,
        }))
    }

    fn command_for(&self, row: &Row) -> Result<&CommandMap, Refusal> {
        let matches = |command: &&CommandMap| command.when.as_ref().is_none_or(|when| when.holds(row, &self.nothing));
        self.commands.iter().find(matches).ok_or_else(|| {
            let looked_at = self.commands.iter().filter_map(|command| command.when.as_ref());
            let mut seen: Vec<String> = looked_at.flat_map(|when| when.seen(row)).collect();
            seen.dedup();
            Refusal::new("no command of the map is for such a row", seen.join(", "))
        })
    }

    fn aggregate_id_of(&self, row: &Row) -> Result<AggregateId, Refusal> {
        let value = self.filled(row, &self.aggregate_id.column, "aggregate id")?;
        let prefix = &self.aggregate_id.prefix;
        let id = if self.escape_ids {
            format!("{prefix}{}", escape(value, |byte| AggregateId::new(&char::from(byte).to_string()).is_ok()))
        } else {
            format!("{prefix}{value}")
        };
        AggregateId::new(&id).map_err(|error| self.not_an_id("aggregate id", error.to_string()))
    }

    /// The row's key without its occurrence.
    fn key_of(&self, row: &Row) -> Result<String, Refusal> {
        let parts = &self.row_key.parts;
        let has_parts = parts.len() > 1;
        let mut key = String::new();
        for part in parts {
            if !key.is_empty() {
                key.push('/');
            }
            match part {
                KeyPart::Row => key.push_str(&row.number.to_string()),
                // The separator of the parts is escaped inside them. Otherwise ("a/b", "c") and ("a", "b/c") would be
                // one key.
                KeyPart::Column(column) => match (self.filled(row, column, "row key")?, self.escape_ids || has_parts) {
                    (value, true) => {
                        key += &escape(value, |byte| byte.is_ascii_graphic() && !(has_parts && byte == b'/'));
                    }
                    (value, false) => key.push_str(value),
                },
            }
        }
        Ok(key)
    }

    fn command_id_of(&self, key: &str) -> Result<CommandId, Refusal> {
        let is_long = key.len() > ID_BYTES_MAX && key.bytes().all(|byte| byte.is_ascii_graphic());
        let id = match is_long {
            true => {
                CommandId::new(&format!("{}~{}", &key[..LONG_KEY_SHOWN_BYTES], blake3::hash(key.as_bytes()).to_hex()))
            }
            false => CommandId::new(key),
        };
        id.map_err(|error| self.not_an_id("row key", error.to_string()))
    }

    fn not_an_id(&self, what: &str, problem: String) -> Refusal {
        let remedy = if self.escape_ids { "" } else { "; escape_ids = true in the map writes other characters as =XX" };
        Refusal::new(format!("the {what} is not allowed"), format!("{problem}{remedy}"))
    }

    /// The cell of a column that the row's key or the aggregate's id needs, which is `what`.
    fn filled<'row>(&self, row: &'row Row, column: &str, what: &str) -> Result<&'row str, Refusal> {
        match row.cell(column) {
            None => Err(Refusal::new(format!("there is no {column:?}, which the {what} needs"), "")),
            Some(cell) if is_nothing(cell, &self.nothing) => {
                Err(Refusal::new(format!("column {column:?} is empty, which the {what} needs"), word(cell)))
            }
            Some(text) => Ok(text),
        }
    }
}

/// Adds the occurrence to a key. Another row may have the result as its own key, so the result is counted as well.
fn with_occurrence(key: String, keys: &mut Keys) -> Result<String, Refusal> {
    match keys.count(&key) {
        Some(1) => Ok(key),
        Some(count) => with_occurrence(format!("{key}//{count}"), keys),
        None => Err(Refusal::new(
            format!("$occurrence cannot be counted beyond {KEYS_MAX} keys"),
            "split the file, or take \"$row\" into row_key",
        )),
    }
}

/// A payload under construction.
#[derive(Serialize)]
#[serde(untagged)]
enum Json<'map> {
    Value(Value),
    Object(BTreeMap<&'map str, Json<'map>>),
}

/// Returns `None` if the row has no value for an optional field.
fn evaluate<'map>(node: &'map Node, row: &Row) -> Result<Option<Json<'map>>, Refusal> {
    match node {
        Node::Field(Field::Constant(value)) => Ok(Some(Json::Value(value.clone()))),
        Node::Field(Field::Column(column)) => Ok(column.read(row)?.map(Json::Value)),
        Node::Object(nodes) => {
            let mut object = BTreeMap::new();
            for (name, node) in nodes {
                if let Some(json) = evaluate(node, row)? {
                    object.insert(name.as_str(), json);
                }
            }
            Ok(if object.is_empty() { None } else { Some(Json::Object(object)) })
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
