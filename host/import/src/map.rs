//! The map from rows to commands, read from TOML and checked whole before any row is. Knows nothing of files with rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use polder_core::{AggregateName, CommandName, DomainName};
use serde::Deserialize;

use crate::field::WrittenField;
use crate::node::Node;
use crate::time::zone;

/// Mend the map: the message says where and how.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    #[error("cannot read the map {file}")]
    Unreadable { file: String, source: std::io::Error },
    /// `map` is "the map" and, where it was read from one, its file.
    #[error("{map} is not right: {problem}")]
    Wrong { map: String, problem: String },
}

#[derive(Debug, Clone)]
pub struct Map {
    pub domain: DomainName,
    pub aggregate: AggregateName,
    pub(crate) aggregate_id: IdSource,
    pub(crate) row_key: Vec<String>,
    pub(crate) escape_ids: bool,
    /// For CSV; `None`: found out from the first line.
    pub(crate) delimiter: Option<u8>,
    /// In order; the first that matches a row is the row's.
    pub(crate) commands: Vec<CommandMap>,
}

#[derive(Debug, Clone)]
pub(crate) struct CommandMap {
    pub(crate) name: CommandName,
    pub(crate) when: Option<When>,
    pub(crate) fields: Node,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct When {
    pub(crate) column: String,
    pub(crate) equals: String,
}

#[derive(Debug, Clone)]
pub(crate) struct IdSource {
    pub(crate) column: String,
    pub(crate) prefix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMap {
    domain: DomainName,
    aggregate: AggregateName,
    aggregate_id: WrittenId,
    row_key: OneOrMore,
    #[serde(default)]
    escape_ids: bool,
    delimiter: Option<String>,
    zone: Option<String>,
    #[serde(default)]
    command: Vec<WrittenCommand>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a column's name, or { column = \"…\", prefix = \"…\" }")]
enum WrittenId {
    Column(String),
    #[serde(rename_all = "lowercase")]
    Prefixed {
        column: String,
        prefix: String,
    },
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a column's name, or a list of them")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCommand {
    name: CommandName,
    when: Option<When>,
    #[serde(default)]
    fields: BTreeMap<String, WrittenField>,
}

impl Map {
    pub fn read(file: &Path) -> Result<Self, MapError> {
        let unreadable = |source| MapError::Unreadable { file: file.display().to_string(), source };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        Self::understand(&text)
            .map_err(|problem| MapError::Wrong { map: format!("the map {}", file.display()), problem })
    }

    pub fn parse(text: &str) -> Result<Self, MapError> {
        Self::understand(text).map_err(|problem| MapError::Wrong { map: String::from("the map"), problem })
    }

    fn understand(text: &str) -> Result<Self, String> {
        let written: WrittenMap = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        Self::new(written)
    }

    fn new(written: WrittenMap) -> Result<Self, String> {
        let row_key = match written.row_key {
            OneOrMore::One(column) => vec![column],
            OneOrMore::More(columns) => columns,
        };
        if row_key.is_empty() {
            return Err(String::from("row_key names no column: name those that together tell one row from all others"));
        }
        let (column, prefix) = match written.aggregate_id {
            WrittenId::Column(column) => (column, String::new()),
            WrittenId::Prefixed { column, prefix } => (column, prefix),
        };
        let zone_default = written.zone.as_deref().map(zone).transpose()?;
        let last = written.command.len().checked_sub(1).ok_or("it has no [[command]], so no row could become one")?;
        let mut commands = Vec::new();
        for (index, command) in written.command.into_iter().enumerate() {
            if command.when.is_none() && index < last {
                return Err(format!(
                    "command {} has no `when`, so it takes every row and those after it get none: put it last",
                    command.name
                ));
            }
            let fields = Node::tree(command.fields, zone_default.as_ref())
                .map_err(|(field, problem)| format!("field {field:?} of command {}: {problem}", command.name))?;
            commands.push(CommandMap { name: command.name, when: command.when, fields });
        }
        Ok(Self {
            domain: written.domain,
            aggregate: written.aggregate,
            aggregate_id: IdSource { column, prefix },
            row_key,
            escape_ids: written.escape_ids,
            delimiter: written.delimiter.as_deref().map(delimiter).transpose()?,
            commands,
        })
    }

    /// Every column the map looks at.
    pub(crate) fn columns(&self) -> BTreeSet<&str> {
        let mut columns: BTreeSet<&str> = self.row_key.iter().map(String::as_str).collect();
        columns.insert(&self.aggregate_id.column);
        for command in &self.commands {
            columns.extend(command.when.iter().map(|when| when.column.as_str()));
            command.fields.collect_columns(&mut columns);
        }
        columns
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !b"\"\r\n".contains(byte) => Ok(*byte),
        _ => Err(format!("delimiter {text:?} is not one ASCII character other than a quote or a line end")),
    }
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
