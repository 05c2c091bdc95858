//! The map from rows to commands. It is read from TOML, and checked completely before any row is read. Knows nothing of
//! files with rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use encoding_rs::Encoding;
use polder_core::{AggregateName, CommandName, DomainName};
use serde::Deserialize;

use crate::encoding;
use crate::field::{FieldDefaults, WrittenField};
use crate::node::Node;
use crate::time::zone;
use crate::when::{OneOrMore, When};

/// A part of a row key: the number of the row in the file.
const ROW: &str = "$row";
/// A part of a row key: how many times the other parts have come in the file. It adds nothing the first time, so it can
/// be added to a map whose rows are imported already.
const OCCURRENCE: &str = "$occurrence";

/// The map must be corrected; the message includes where and how.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    #[error("cannot read the map {file}")]
    Unreadable { file: String, source: std::io::Error },
    /// `map` is "the map", with its file if it was read from one.
    #[error("{map} is not right: {problem}")]
    Wrong { map: String, problem: String },
}

#[derive(Debug, Clone)]
pub struct Map {
    pub domain: DomainName,
    pub aggregate: AggregateName,
    pub(crate) aggregate_id: IdSource,
    pub(crate) row_key: RowKey,
    pub(crate) escape_ids: bool,
    pub(crate) file: FileForm,
    /// Words that mean an empty cell.
    pub(crate) nothing: Vec<String>,
    /// Conditions for rows that deliberately become no command.
    pub(crate) skip: Vec<When>,
    /// Commands in order. A row becomes the first one that matches.
    pub(crate) commands: Vec<CommandMap>,
}

/// Format of the file, for what the file itself does not show.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FileForm {
    pub(crate) kind: Option<LogKind>,
    pub(crate) encoding: Option<&'static Encoding>,
    /// Delimiter of CSV; `None` means that the first line decides.
    pub(crate) delimiter: Option<u8>,
    /// Number of lines before the header of CSV.
    pub(crate) skip_lines: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogKind {
    Csv,
    Xes,
}

#[derive(Debug, Clone)]
pub(crate) struct RowKey {
    pub(crate) parts: Vec<KeyPart>,
    pub(crate) has_occurrence: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum KeyPart {
    Column(String),
    Row,
}

#[derive(Debug, Clone)]
pub(crate) struct CommandMap {
    pub(crate) name: CommandName,
    pub(crate) when: Option<When>,
    pub(crate) fields: Node,
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
    kind: Option<LogKind>,
    encoding: Option<String>,
    delimiter: Option<String>,
    #[serde(default)]
    skip_lines: u64,
    zone: Option<String>,
    #[serde(default)]
    nothing: Vec<String>,
    #[serde(default)]
    skip: Vec<When>,
    /// Fields of all commands.
    #[serde(default)]
    fields: BTreeMap<String, WrittenField>,
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
        let (column, prefix) = match written.aggregate_id {
            WrittenId::Column(column) => (column, String::new()),
            WrittenId::Prefixed { column, prefix } => (column, prefix),
        };
        if written.skip.iter().any(When::is_empty) {
            return Err(String::from("a skip without conditions would skip every row"));
        }
        let defaults =
            FieldDefaults { zone: written.zone.as_deref().map(zone).transpose()?, nothing: written.nothing.clone() };
        Ok(Self {
            domain: written.domain,
            aggregate: written.aggregate,
            aggregate_id: IdSource { column, prefix },
            row_key: row_key(written.row_key.into())?,
            escape_ids: written.escape_ids,
            file: FileForm {
                kind: written.kind,
                encoding: written.encoding.as_deref().map(encoding::by_name).transpose()?,
                delimiter: written.delimiter.as_deref().map(delimiter).transpose()?,
                skip_lines: written.skip_lines,
            },
            nothing: written.nothing,
            skip: written.skip,
            commands: commands(written.command, &written.fields, &defaults)?,
        })
    }

    /// Every column that the map uses.
    pub(crate) fn columns(&self) -> BTreeSet<&str> {
        let mut columns: BTreeSet<&str> = self.row_key.columns().collect();
        columns.insert(&self.aggregate_id.column);
        let conditions = self.skip.iter().chain(self.commands.iter().filter_map(|command| command.when.as_ref()));
        columns.extend(conditions.flat_map(When::columns));
        for command in &self.commands {
            command.fields.collect_columns(&mut columns);
        }
        columns
    }
}

impl RowKey {
    fn columns(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            KeyPart::Column(column) => Some(column.as_str()),
            KeyPart::Row => None,
        })
    }
}

fn row_key(names: Vec<String>) -> Result<RowKey, String> {
    let has_occurrence = names.iter().any(|name| name == OCCURRENCE);
    let part = |name: String| if name == ROW { KeyPart::Row } else { KeyPart::Column(name) };
    let parts: Vec<KeyPart> = names.into_iter().filter(|name| name != OCCURRENCE).map(part).collect();
    match parts.is_empty() {
        true if has_occurrence => {
            Err(format!("{OCCURRENCE} counts how often the other parts of row_key come: name them"))
        }
        true => Err(String::from("row_key names no column: name those that together identify a row")),
        false => Ok(RowKey { parts, has_occurrence }),
    }
}

fn commands(
    written: Vec<WrittenCommand>,
    shared: &BTreeMap<String, WrittenField>,
    defaults: &FieldDefaults,
) -> Result<Vec<CommandMap>, String> {
    let last = written.len().checked_sub(1).ok_or("it has no [[command]], so no row could become one")?;
    let mut commands = Vec::new();
    for (index, command) in written.into_iter().enumerate() {
        if command.when.as_ref().is_none_or(When::is_empty) && index < last {
            return Err(format!(
                "command {} has no `when`, so it takes every row and those after it get none: put it last",
                command.name
            ));
        }
        // A command's own fields replace the shared ones of the same name.
        let fields = shared.clone().into_iter().chain(command.fields).collect();
        let fields = Node::tree(fields, defaults)
            .map_err(|(field, problem)| format!("field {field:?} of command {}: {problem}", command.name))?;
        commands.push(CommandMap { name: command.name, when: command.when, fields });
    }
    Ok(commands)
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
