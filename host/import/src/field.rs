//! One payload field as the map describes it: from a column, with a type, or a constant. Checks that the description makes sense.

use serde::Deserialize;
use serde_json::Value;

use crate::time::{TimeForm, zone};
use crate::value::Kind;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Field {
    Constant(Value),
    Column { name: String, kind: Kind, optional: bool },
}

/// As written: `"org:resource"`, or `{ column = "org:resource", … }`, or `{ value = … }`.
#[derive(Debug, Deserialize)]
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
    format: Option<String>,
    zone: Option<String>,
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
    /// `zone_default` is for times without an offset and without a zone of their own.
    pub(crate) fn new(written: WrittenField, zone_default: Option<&jiff::tz::TimeZone>) -> Result<Self, String> {
        let table = match written {
            WrittenField::Name(name) => return Ok(Self::Column { name, kind: Kind::Text, optional: false }),
            WrittenField::Table(table) => table,
        };
        if table.values().all(toml::Value::is_table) {
            return Err(String::from(
                "holds only tables: write the name of a nested field in quotes, \"case.deadline\" = { column = \"…\" }",
            ));
        }
        let table: WrittenTable = table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let kind = table.r#type.unwrap_or(WrittenKind::Text);
        if kind != WrittenKind::Time && (table.format.is_some() || table.zone.is_some()) {
            return Err(String::from("format and zone are for type = \"time\""));
        }
        match (table.column, table.value) {
            (Some(_), Some(_)) | (None, None) => Err(String::from("needs either column = \"…\" or value = …")),
            (None, Some(value)) if table.r#type.is_none() && !table.optional => constant(value).map(Self::Constant),
            (None, Some(_)) => Err(String::from("a constant takes no type and is never optional")),
            (Some(name), None) => {
                let kind = match kind {
                    WrittenKind::Text => Kind::Text,
                    WrittenKind::Integer => Kind::Integer,
                    WrittenKind::Number => Kind::Number,
                    WrittenKind::Boolean => Kind::Boolean,
                    WrittenKind::Time => {
                        let own = table.zone.as_deref().map(zone).transpose()?;
                        Kind::Time(TimeForm::new(table.format, own.or_else(|| zone_default.cloned()))?)
                    }
                };
                Ok(Self::Column { name, kind, optional: table.optional })
            }
        }
    }
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
