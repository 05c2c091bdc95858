//! One payload field as the map describes it: from a column, with a type, or a constant. Checks that the description is
//! consistent.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::number::Decimal;
use crate::refusal::Refusal;
use crate::rows::Row;
use crate::time::{TimeForm, Twice, zone};
use crate::value::Kind;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field {
    Constant(Value),
    Column(Column),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    kind: Kind,
    pub(crate) is_optional: bool,
    /// Whether all cells of this name become one list.
    pub(crate) is_list: bool,
    nothing: Vec<String>,
    strip: Vec<String>,
    replace: Vec<(String, String)>,
}

/// Defaults for fields that do not set their own.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldDefaults {
    /// Zone of times without an offset.
    pub(crate) zone: Option<jiff::tz::TimeZone>,
    /// Words that mean an empty cell.
    pub(crate) nothing: Vec<String>,
}

/// A field as written: `"org:resource"`, or `{ column = "org:resource", … }`, or `{ value = … }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "a column's name, or { column = \"…\", … }, or { value = … }")]
pub(crate) enum WrittenField {
    Name(String),
    Table(toml::Table),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTable {
    column: Option<String>,
    value: Option<toml::Value>,
    r#type: Option<WrittenKind>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    list: bool,
    nothing: Option<Vec<String>>,
    #[serde(default)]
    strip: Vec<String>,
    #[serde(default)]
    replace: Vec<(String, String)>,
    decimal: Option<String>,
    format: Option<String>,
    zone: Option<String>,
    twice: Option<Twice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenKind {
    Text,
    Integer,
    Number,
    Boolean,
    Time,
}

impl Field {
    pub(crate) fn new(written: WrittenField, defaults: &FieldDefaults) -> Result<Self, String> {
        let table = match written {
            WrittenField::Name(name) => toml::Table::from_iter([(String::from("column"), toml::Value::String(name))]),
            WrittenField::Table(table) => table,
        };
        if table.values().all(toml::Value::is_table) {
            return Err(String::from(
                "holds only tables: write the name of a nested field in quotes, \"case.deadline\" = { column = \"…\" }",
            ));
        }
        let is_plain = table.len() == 1;
        let mut table: WrittenTable = table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        match (table.column.take(), table.value.take()) {
            (Some(_), Some(_)) | (None, None) => Err(String::from("needs either column = \"…\" or value = …")),
            (None, Some(value)) if is_plain => constant(value).map(Self::Constant),
            (None, Some(_)) => Err(String::from("a constant takes no type and is never optional")),
            (Some(name), None) => Column::new(name, table, defaults).map(Self::Column),
        }
    }
}

impl Column {
    fn new(name: String, table: WrittenTable, defaults: &FieldDefaults) -> Result<Self, String> {
        let kind = table.r#type.unwrap_or(WrittenKind::Text);
        if kind != WrittenKind::Time && (table.format.is_some() || table.zone.is_some() || table.twice.is_some()) {
            return Err(String::from("format, zone and twice are for type = \"time\""));
        }
        if table.decimal.is_some() && !matches!(kind, WrittenKind::Integer | WrittenKind::Number) {
            return Err(String::from("decimal is for type = \"integer\" and type = \"number\""));
        }
        if table.strip.iter().chain(table.replace.iter().map(|(from, _)| from)).any(String::is_empty) {
            return Err(String::from("strip and replace need text to look for"));
        }
        let decimal = match table.decimal.as_deref() {
            None | Some(".") => Decimal::Point,
            Some(",") => Decimal::Comma,
            Some(other) => return Err(format!("decimal = {other:?} is neither \".\" nor \",\"")),
        };
        let kind = match kind {
            WrittenKind::Text => Kind::Text,
            WrittenKind::Integer => Kind::Integer(decimal),
            WrittenKind::Number => Kind::Number(decimal),
            WrittenKind::Boolean => Kind::Boolean,
            WrittenKind::Time => {
                let own = table.zone.as_deref().map(zone).transpose()?;
                Kind::Time(TimeForm::new(table.format, own.or_else(|| defaults.zone.clone()), table.twice)?)
            }
        };
        Ok(Self {
            name,
            kind,
            is_optional: table.optional,
            is_list: table.list,
            nothing: table.nothing.unwrap_or_else(|| defaults.nothing.clone()),
            strip: table.strip,
            replace: table.replace,
        })
    }

    /// Returns `None` if the cell is empty and the field is optional.
    pub(crate) fn read(&self, row: &Row) -> Result<Option<Value>, Refusal> {
        if self.is_list {
            let texts = row.cells(&self.name).filter_map(|cell| self.tidied(cell));
            let values = texts.map(|text| self.value(&text)).collect::<Result<Vec<Value>, Refusal>>()?;
            return Ok(
                Some(Value::Array(values)).filter(|values| !self.is_optional || values != &Value::Array(Vec::new()))
            );
        }
        match row.cell(&self.name) {
            None if self.is_optional => Ok(None),
            None => Err(Refusal::new(format!("there is no {:?}", self.name), "")),
            Some(cell) => match self.tidied(cell) {
                Some(text) => self.value(&text).map(Some),
                None if self.is_optional => Ok(None),
                None => Err(Refusal::new(format!("column {:?} is empty", self.name), word(cell))),
            },
        }
    }

    fn value(&self, text: &str) -> Result<Value, Refusal> {
        let refused = |detail| Refusal::new(format!("column {:?} is not {}", self.name, self.kind.what()), detail);
        self.kind.read(text).map_err(refused)
    }

    /// Strips and replaces text of a cell. Returns `None` if nothing is left.
    fn tidied<'cell>(&self, cell: &'cell str) -> Option<Cow<'cell, str>> {
        if is_nothing(cell, &self.nothing) {
            return None;
        }
        let mut text = cell;
        while let Some(shorter) = self
            .strip
            .iter()
            .find_map(|end| text.strip_prefix(end.as_str()).or_else(|| text.strip_suffix(end.as_str())))
        {
            text = shorter;
        }
        let mut text = Cow::Borrowed(text);
        for (from, to) in &self.replace {
            if text.contains(from.as_str()) {
                text = Cow::Owned(text.replace(from.as_str(), to));
            }
        }
        Some(text).filter(|text| !text.is_empty())
    }
}

/// Whether a cell is empty, or holds one of these words.
pub(crate) fn is_nothing(cell: &str, words: &[String]) -> bool {
    cell.is_empty() || words.iter().any(|word| word == cell.trim())
}

/// Formats a cell for the detail of a refusal.
pub(crate) fn word(cell: &str) -> String {
    if cell.is_empty() { String::new() } else { format!("it holds {}", crate::refusal::shown(cell)) }
}

fn constant(value: toml::Value) -> Result<Value, String> {
    match value {
        toml::Value::String(text) => Ok(Value::from(text)),
        toml::Value::Integer(number) => Ok(Value::from(number)),
        toml::Value::Float(number) if number.is_finite() => Ok(Value::from(number)),
        toml::Value::Boolean(truth) => Ok(Value::from(truth)),
        other => Err(format!("a constant is text, a finite number or a boolean, not {other}")),
    }
}
