//! What the map makes of one row: a command, or the reason why not. Pure, and the same for the same row at any time, so that
//! an import repeated sends the same commands under the same ids.

use std::collections::BTreeMap;

use polder_core::{AggregateId, AggregateName, CommandId, CommandName, DomainName};
use serde::Serialize;
use serde_json::Value;

use crate::Refusal;
use crate::escape::escape;
use crate::field::Field;
use crate::map::{CommandMap, Map};
use crate::node::Node;
use crate::refusal::shown;
use crate::rows::Row;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedCommand {
    /// Where its row starts in the file.
    pub line: u64,
    pub domain: DomainName,
    pub aggregate: AggregateName,
    pub aggregate_id: AggregateId,
    pub name: CommandName,
    /// The row's key: sent again, the command is known as handled.
    pub id: CommandId,
    /// JSON, fields sorted by name.
    pub payload: String,
}

impl Map {
    pub(crate) fn plan(&self, row: &Row) -> Result<PlannedCommand, Refusal> {
        let command = self.command_for(row)?;
        let payload = match evaluate(&command.fields, row)? {
            // Sorted maps, text keys, finite numbers: nothing in it that serializing refuses.
            Some(payload) => serde_json::to_string(&payload).unwrap_or_default(),
            None => String::from("{}"),
        };
        Ok(PlannedCommand {
            line: row.line,
            domain: self.domain.clone(),
            aggregate: self.aggregate.clone(),
            aggregate_id: self.aggregate_id_of(row)?,
            name: command.name.clone(),
            id: self.command_id_of(row)?,
            payload,
        })
    }

    fn command_for(&self, row: &Row) -> Result<&CommandMap, Refusal> {
        let matches = |command: &&CommandMap| {
            command.when.as_ref().is_none_or(|when| row.cell(&when.column) == Some(when.equals.as_str()))
        };
        self.commands.iter().find(matches).ok_or_else(|| {
            let looked_at = self.commands.iter().filter_map(|command| command.when.as_ref());
            let mut seen: Vec<String> = looked_at
                .map(|when| format!("{} = {}", when.column, shown(row.cell(&when.column).unwrap_or_default())))
                .collect();
            seen.dedup();
            Refusal::new("no command of the map is for such a row", seen.join(", "))
        })
    }

    fn aggregate_id_of(&self, row: &Row) -> Result<AggregateId, Refusal> {
        let value = filled(row, &self.aggregate_id.column)?;
        let prefix = &self.aggregate_id.prefix;
        let id = if self.escape_ids {
            format!("{prefix}{}", escape(value, |byte| AggregateId::new(&char::from(byte).to_string()).is_ok()))
        } else {
            format!("{prefix}{value}")
        };
        AggregateId::new(&id).map_err(|error| self.not_an_id("aggregate id", error.to_string()))
    }

    fn command_id_of(&self, row: &Row) -> Result<CommandId, Refusal> {
        let mut parts = Vec::new();
        let has_parts = self.row_key.len() > 1;
        for column in &self.row_key {
            let value = filled(row, column)?;
            // What joins the parts is escaped in them, or ("a/b", "c") and ("a", "b/c") would be one key.
            parts.push(match self.escape_ids || has_parts {
                true => escape(value, |byte| byte.is_ascii_graphic() && !(has_parts && byte == b'/')),
                false => value.to_owned(),
            });
        }
        CommandId::new(&parts.join("/")).map_err(|error| self.not_an_id("row key", error.to_string()))
    }

    fn not_an_id(&self, what: &str, problem: String) -> Refusal {
        let remedy = if self.escape_ids { "" } else { "; escape_ids = true in the map writes other characters as =XX" };
        Refusal::new(format!("the {what} is not allowed"), format!("{problem}{remedy}"))
    }
}

/// A payload in the making.
#[derive(Serialize)]
#[serde(untagged)]
enum Json<'map> {
    Value(Value),
    Object(BTreeMap<&'map str, Json<'map>>),
}

/// `None`: nothing there, and that is fine.
fn evaluate<'map>(node: &'map Node, row: &Row) -> Result<Option<Json<'map>>, Refusal> {
    match node {
        Node::Field(Field::Constant(value)) => Ok(Some(Json::Value(value.clone()))),
        Node::Field(Field::Column { name, optional: true, .. }) if row.cell(name).is_none_or(str::is_empty) => Ok(None),
        Node::Field(Field::Column { name, kind, .. }) => {
            let text = filled(row, name)?;
            let refused = |detail| Refusal::new(format!("column {name:?} is not {}", kind.what()), detail);
            kind.read(text).map(|value| Some(Json::Value(value))).map_err(refused)
        }
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

fn filled<'row>(row: &'row Row, column: &str) -> Result<&'row str, Refusal> {
    match row.cell(column) {
        None => Err(Refusal::new(format!("there is no {column:?}"), String::new())),
        Some("") => Err(Refusal::new(format!("column {column:?} is empty"), String::new())),
        Some(text) => Ok(text),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
