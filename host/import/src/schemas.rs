//! Checks commands against the host's description of its domain before any is sent: the command's name, and its fields
//! and their types. It uses only these parts of JSON Schema and ignores others, such as `pattern`: the domain decides
//! in the end. Pure.

use std::collections::BTreeMap;

use polder_core::{AggregateDescriptor, CommandName, Descriptor};
use serde_json::{Map as Members, Value};

use crate::map::Map;
use crate::plan::PlannedCommand;
use crate::refusal::{Refusal, shown};

/// Depth to which nested values, and schemas that refer to each other, are checked.
const DEPTH_MAX: usize = 64;

/// The map names something that the host's domain does not have, and must be corrected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemasError {
    #[error("the map names domain {named:?}, and the host described {found:?}")]
    OtherDomain { named: String, found: String },
    #[error("the map names aggregate {named:?}, which the host's domain does not have; it has {known}")]
    UnknownAggregate { named: String, known: String },
    #[error("the map names command {named:?}, which the host's aggregate does not have; it has {known}")]
    UnknownCommand { named: String, known: String },
}

/// The schemas of the commands that a map names.
#[derive(Debug)]
pub struct Schemas(BTreeMap<CommandName, Value>);

impl Schemas {
    pub fn new(descriptor: &Descriptor, map: &Map) -> Result<Self, SchemasError> {
        if descriptor.domain != map.domain {
            let (named, found) = (map.domain.to_string(), descriptor.domain.to_string());
            return Err(SchemasError::OtherDomain { named, found });
        }
        let aggregate: &AggregateDescriptor = descriptor.aggregates.get(&map.aggregate).ok_or_else(|| {
            let (named, known) = (map.aggregate.to_string(), listed(descriptor.aggregates.keys()));
            SchemasError::UnknownAggregate { named, known }
        })?;
        let schema = |name: &CommandName| match aggregate.commands.get(name) {
            Some(command) => Ok((name.clone(), command.schema.clone())),
            None => {
                let (named, known) = (name.to_string(), listed(aggregate.commands.keys()));
                Err(SchemasError::UnknownCommand { named, known })
            }
        };
        map.commands.iter().map(|command| schema(&command.name)).collect::<Result<_, _>>().map(Self)
    }

    pub fn check(&self, command: &PlannedCommand) -> Result<(), Refusal> {
        let Some(schema) = self.0.get(&command.name) else { return Ok(()) };
        // This crate wrote the payload, so it is JSON.
        let Ok(payload) = serde_json::from_str::<Value>(&command.payload) else { return Ok(()) };
        Checker { root: schema }.check(schema, &payload, 0).map_err(|mismatch| {
            let place = if mismatch.place.is_empty() { String::from("the command") } else { mismatch.place };
            Refusal::new(format!("{} of {} {}", place, command.name, mismatch.problem), mismatch.detail)
        })
    }
}

struct Mismatch {
    /// Place of the mismatch, such as `field "case.size"`; empty for the whole payload.
    place: String,
    depth: usize,
    /// The problem without the row's own values.
    problem: String,
    detail: String,
}

impl Mismatch {
    fn new(problem: impl Into<String>, value: &Value, depth: usize) -> Self {
        let value = value.as_str().map_or_else(|| value.to_string(), shown);
        Self { place: String::new(), depth, problem: problem.into(), detail: value }
    }

    fn within(mut self, name: &str) -> Self {
        self.place = match self.place.strip_prefix("field \"") {
            Some(rest) => format!("field \"{name}.{rest}"),
            None => format!("field \"{name}\""),
        };
        self
    }
}

struct Checker<'schema> {
    /// The schema that references point into.
    root: &'schema Value,
}

impl Checker<'_> {
    fn check(&self, schema: &Value, value: &Value, depth: usize) -> Result<(), Mismatch> {
        let schema = match schema {
            Value::Object(schema) if depth <= DEPTH_MAX => schema,
            Value::Bool(false) => return Err(Mismatch::new("is not allowed", value, depth)),
            _ => return Ok(()),
        };
        let referred = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix('#'));
        if let Some(referred) = referred.and_then(|path| self.root.pointer(path)) {
            self.check(referred, value, depth + 1)?;
        }
        check_itself(schema, value, depth)?;
        match value {
            Value::Object(members) => self.check_members(schema, members, value, depth)?,
            Value::Array(values) => {
                let first = schema.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let rest = schema.get("items").unwrap_or(&Value::Bool(true));
                for (index, value) in values.iter().enumerate() {
                    let checked = self.check(first.get(index).unwrap_or(rest), value, depth + 1);
                    checked.map_err(|mismatch| mismatch.within(&index.to_string()))?;
                }
            }
            _ => {}
        }
        for all in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.check(all, value, depth + 1)?;
        }
        for name in ["anyOf", "oneOf"] {
            if let Some(choices) = schema.get(name).and_then(Value::as_array) {
                self.check_choices(choices, value, depth)?;
            }
        }
        Ok(())
    }

    fn check_members(
        &self,
        schema: &Members<String, Value>,
        members: &Members<String, Value>,
        value: &Value,
        depth: usize,
    ) -> Result<(), Mismatch> {
        for required in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
        {
            if !members.contains_key(required) {
                return Err(Mismatch::new("is missing", value, depth + 1).within(required));
            }
        }
        let known = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        // Other keywords of the schema may describe the field.
        let is_all =
            !["$ref", "allOf", "anyOf", "oneOf", "patternProperties"].iter().any(|name| schema.contains_key(*name));
        for (name, value) in members {
            let checked = match (known.and_then(|known| known.get(name)), others) {
                (Some(schema), _) => self.check(schema, value, depth + 1),
                (None, Some(Value::Bool(false))) => Err(unknown(known, value, depth + 1)),
                (None, Some(schema)) => self.check(schema, value, depth + 1),
                (None, None) if is_all && known.is_some() => Err(unknown(known, value, depth + 1)),
                (None, None) => Ok(()),
            };
            checked.map_err(|mismatch| mismatch.within(name))?;
        }
        Ok(())
    }

    /// Returns the mismatch of the choice that fits best. If several fit equally, the mismatch is that none fits.
    fn check_choices(&self, choices: &[Value], value: &Value, depth: usize) -> Result<(), Mismatch> {
        let mut mismatches = Vec::new();
        for choice in choices {
            match self.check(choice, value, depth + 1) {
                Ok(()) => return Ok(()),
                Err(mismatch) => mismatches.push(mismatch),
            }
        }
        let allowed: Option<Vec<String>> =
            choices.iter().map(|choice| choice.get("const").map(|allowed| allowed.to_string())).collect();
        if let Some(allowed) = allowed {
            return Err(Mismatch::new(format!("is none of {}", allowed.join(", ")), value, depth));
        }
        let deepest = mismatches.iter().map(|mismatch| mismatch.depth).max().unwrap_or_default();
        let mut furthest = mismatches.into_iter().filter(|mismatch| mismatch.depth == deepest);
        match (furthest.next(), furthest.next()) {
            (Some(mismatch), None) => Err(mismatch),
            (Some(mismatch), Some(_)) if mismatch.depth > depth + 1 => Err(mismatch),
            _ => Err(Mismatch::new("has none of the forms that it may have", value, depth)),
        }
    }
}

fn unknown(known: Option<&Members<String, Value>>, value: &Value, depth: usize) -> Mismatch {
    let known = known.map(|known| listed(known.keys())).unwrap_or_default();
    let mut mismatch = Mismatch::new("is unknown", value, depth);
    mismatch.detail = format!("there are {}", if known.is_empty() { "no fields" } else { &known });
    mismatch
}

/// Checks a value against a schema, without the values inside it.
fn check_itself(schema: &Members<String, Value>, value: &Value, depth: usize) -> Result<(), Mismatch> {
    let wrong = |problem: String| Err(Mismatch::new(problem, value, depth));
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !types.is_empty() && !types.iter().any(|kind| is_of(kind, value)) {
        return wrong(format!("is not of type {}", types.join(" or ")));
    }
    let allowed = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(allowed)), _) => allowed.as_slice(),
        (_, Some(allowed)) => std::slice::from_ref(allowed),
        _ => &[],
    };
    if !allowed.is_empty() && !allowed.contains(value) {
        return wrong(format!("is none of {}", listed(allowed)));
    }
    let number = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(given) = value.as_f64() {
        match (number("minimum"), number("maximum")) {
            (Some(least), _) if given < least => return wrong(format!("is less than {least}")),
            (_, Some(most)) if given > most => return wrong(format!("is more than {most}")),
            _ => {}
        }
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as f64;
        match (number("minLength"), number("maxLength")) {
            (Some(least), _) if length < least => return wrong(format!("has fewer than {least} characters")),
            (_, Some(most)) if length > most => return wrong(format!("has more than {most} characters")),
            _ => {}
        }
        let is_time = schema.get("format").and_then(Value::as_str) == Some("date-time");
        if is_time && text.parse::<jiff::Timestamp>().is_err() {
            return wrong(String::from("is not a time with an offset"));
        }
    }
    Ok(())
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        _ => true,
    }
}

fn listed<T: ToString>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const MAP: &str =
        "domain = \"d\"\naggregate = \"a\"\naggregate_id = \"case\"\nrow_key = \"key\"\n[[command]]\nname = \"go\"";

    fn descriptor(schema: Value) -> Descriptor {
        let described = json!({ "format": 1, "domain": "d", "aggregates": { "a": {
            "commands": { "go": { "schema": schema }, "stop": { "schema": {} } }, "events": {} } } });
        Descriptor::parse(&described.to_string()).unwrap()
    }

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["who"], "additionalProperties": false,
            "properties": {
                "who": { "type": "string", "maxLength": 5 },
                "size": { "type": ["integer", "null"], "minimum": 0, "maximum": 255 },
                "at": { "$ref": "#/$defs/time" },
                "channel": { "oneOf": [{ "const": "Desk" }, { "const": "Post" }] },
                "kind": { "enum": ["x", "y"] },
                "case": { "anyOf": [{ "$ref": "#/$defs/case" }, { "type": "null" }] },
                "tags": { "type": "array", "items": { "type": "string" } },
                "either": { "oneOf": [{ "type": "string" }, { "type": "null" }] },
                "endless": { "$ref": "#/properties/endless" }
            },
            "$defs": {
                "time": { "type": "string", "format": "date-time" },
                "case": { "type": "object", "properties": { "group": { "type": "string" } }, "required": ["group"] }
            }
        })
    }

    fn checked(payload: Value) -> Result<(), String> {
        let schemas = Schemas::new(&descriptor(schema()), &Map::parse(MAP).unwrap()).unwrap();
        let command = PlannedCommand {
            line: 2,
            domain: "d".parse().unwrap(),
            aggregate: "a".parse().unwrap(),
            aggregate_id: "1".parse().unwrap(),
            name: "go".parse().unwrap(),
            id: "k".parse().unwrap(),
            payload: payload.to_string(),
        };
        schemas.check(&command).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn what_the_host_takes_passes() {
        let all = json!({ "who": "ann", "size": 3.0, "at": "2011-10-11T13:45:40+02:00", "channel": "Post", "kind": "y",
                          "case": { "group": "g" }, "tags": ["a"], "endless": 1 });
        assert_eq!(checked(all), Ok(()));
        assert_eq!(checked(json!({ "who": "ann", "size": null, "case": null })), Ok(()));
    }

    #[test]
    fn what_the_host_would_refuse_is_named_by_its_field() {
        for (payload, wanted) in [
            (json!({}), "field \"who\" of go is missing"),
            (json!({ "who": 1 }), "field \"who\" of go is not of type string (1)"),
            (json!({ "who": "longer" }), "field \"who\" of go has more than 5 characters (\"longer\")"),
            (json!({ "who": "a", "sise": 1 }), "field \"sise\" of go is unknown (there are at, case, channel, "),
            (json!({ "who": "a", "size": 1.5 }), "field \"size\" of go is not of type integer or null (1.5)"),
            (json!({ "who": "a", "size": 256 }), "field \"size\" of go is more than 255"),
            (json!({ "who": "a", "at": "2011-10-11" }), "field \"at\" of go is not a time with an offset"),
            (
                json!({ "who": "a", "channel": "Fax" }),
                "field \"channel\" of go is none of \"Desk\", \"Post\" (\"Fax\")",
            ),
            (json!({ "who": "a", "kind": "z" }), "field \"kind\" of go is none of \"x\", \"y\""),
            (json!({ "who": "a", "case": { "group": 1 } }), "field \"case.group\" of go is not of type string"),
            (json!({ "who": "a", "case": { "grop": "g" } }), "field \"case.group\" of go is missing"),
            (json!({ "who": "a", "case": { "group": "g", "x": 1 } }), "field \"case.x\" of go is unknown"),
            (json!({ "who": "a", "case": 7 }), "field \"case\" of go is not of type object (7)"),
            (json!({ "who": "a", "either": 7 }), "field \"either\" of go has none of the forms"),
            (json!({ "who": "a", "tags": ["a", 2] }), "field \"tags.1\" of go is not of type string"),
            (json!([]), "the command of go is not of type object"),
        ] {
            let refused = checked(payload.clone()).unwrap_err();
            assert!(refused.starts_with(wanted), "{payload}: {refused}");
        }
    }

    #[test]
    fn a_map_that_names_what_is_not_there_is_refused() {
        let refused = |from: &str, to: &str| {
            let map = Map::parse(&MAP.replace(from, to)).unwrap();
            Schemas::new(&descriptor(schema()), &map).unwrap_err().to_string()
        };
        assert!(
            refused("\"go\"", "\"og\"").contains("command \"og\"") && refused("\"go\"", "\"og\"").contains("go, stop")
        );
        assert!(refused("\"a\"", "\"b\"").contains("aggregate \"b\""));
        assert!(refused("\"d\"", "\"e\"").contains("domain \"e\""));
    }
}
