//! JSON in and out. Reading is fast when all is well; only a payload that is refused is read again, to say where and why.
#![allow(missing_docs, reason = "generated code calls this; people do not")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;
use serde_json::error::Category;

use crate::aggregate::{Command, Event};
use crate::describe::schema_of;
use crate::messages::{Fault, Rejected};

/// Reads what a caller sent as a command that takes a `T`.
pub fn read_command<T: DeserializeOwned + schemars::JsonSchema>(payload: &[u8]) -> Result<T, Rejected> {
    // A command without particulars needs no body.
    let payload = if payload.is_empty() { b"{}" } else { payload };
    let mut unknown = false;
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let read = serde_ignored::deserialize(&mut reader, |_| unknown = true).and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    match read {
        Ok(value) if !unknown => Ok(value),
        Ok(_) => Err(unknown_field::<T>(payload)),
        Err(error) => Err(invalid(problem::<T>(payload, &error))),
    }
}

/// Reads what was recorded as the newest version of an event.
pub fn read_event<T: DeserializeOwned>(name: &str, version: u32, payload: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(payload).map_err(|error| {
        Fault::new(format!("event {name} of version {version} cannot be read: {}", problem::<T>(payload, &error)))
    })
}

/// Reads what was recorded as an older version of an event, and brings it up to date.
pub fn upcast<T: DeserializeOwned, E>(name: &str, version: u32, payload: &[u8], bring: fn(T) -> E) -> Result<E, Fault> {
    read_event(name, version, payload).map(bring)
}

pub fn write_event<T: Serialize>(name: &str, event: &T) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(event).map_err(|error| Fault::new(format!("event {name} has no JSON: {error}")))
}

pub fn unknown_command<C: Command>(name: &str) -> Rejected {
    let known: Vec<&str> = C::VARIANTS.iter().map(|variant| variant.name).collect();
    Rejected::new("unknown-command", format!("there is no command {name:?}; there are {}", known.join(", ")))
}

pub fn unknown_event<E: Event>(name: &str, version: u32) -> Fault {
    let known: Vec<&str> = E::VARIANTS.iter().map(|variant| variant.name).collect();
    match E::VARIANTS.iter().find(|variant| variant.name == name) {
        Some(variant) => Fault::new(format!(
            "event {name} of version {version} cannot be read: this revision knows versions 1 to {}",
            variant.version
        )),
        None => Fault::new(format!("there is no event {name:?}; there are {}", known.join(", "))),
    }
}

fn invalid(problem: String) -> Rejected {
    Rejected::new("invalid-payload", problem)
}

/// What is wrong with `payload` as a `T`, with the place.
fn problem<T: DeserializeOwned>(payload: &[u8], error: &serde_json::Error) -> String {
    if error.classify() != Category::Data {
        return format!("this is not JSON: {error}");
    }
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut reader) else {
        return error.to_string();
    };
    let path = error.path().to_string();
    let problem = error.into_inner().to_string();
    // Line and column mean little in a body that a program wrote; the path says it better.
    let problem = problem.rfind(" at line ").map_or(problem.as_str(), |end| &problem[..end]);
    if path == "."
        || problem.starts_with("unknown field")
        || problem.starts_with("missing field") && !path.contains('.')
    {
        problem.to_owned()
    } else {
        format!("`{path}`: {problem}")
    }
}

/// Names the first field that nothing reads, and what is read there.
fn unknown_field<T: DeserializeOwned + schemars::JsonSchema>(payload: &[u8]) -> Rejected {
    let mut first = None;
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let read: Result<T, _> = serde_ignored::deserialize(&mut reader, |path| {
        first.get_or_insert_with(|| segments(&path));
    });
    drop(read);
    let mut place = first.unwrap_or_default();
    let field = place.pop().unwrap_or_default();
    let schema = schema_of::<T>();
    let expected = match fields_at(&schema, &place) {
        Some(fields) if !fields.is_empty() => format!("expected one of {}", fields.join(", ")),
        _ => "nothing is expected there".to_owned(),
    };
    invalid(format!("`{}`: unknown field `{field}`, {expected}", place.join(".")))
}

fn segments(path: &Path<'_>) -> Vec<String> {
    match path {
        Path::Root => Vec::new(),
        Path::Seq { parent, index } => {
            let mut place = segments(parent);
            place.push(index.to_string());
            place
        }
        Path::Map { parent, key } => {
            let mut place = segments(parent);
            place.push(key.clone());
            place
        }
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => segments(parent),
    }
}

/// The fields of the object that `schema` describes at `place`.
fn fields_at(schema: &Value, place: &[String]) -> Option<Vec<String>> {
    let mut here = resolved(schema, schema)?;
    for segment in place {
        let next = here
            .get("properties")
            .and_then(|properties| properties.get(segment))
            .or_else(|| here.get("items").filter(|_| segment.parse::<usize>().is_ok()))
            .or_else(|| here.get("additionalProperties").filter(|schema| schema.is_object()))?;
        here = resolved(schema, next)?;
    }
    let properties = here.get("properties")?.as_object()?;
    Some(properties.keys().map(|name| format!("`{name}`")).collect())
}

/// Follows references, and through the choice that an optional value is.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return resolved(root, root.pointer(reference.strip_prefix('#')?)?);
    }
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(choices) => choices
            .iter()
            .find(|choice| choice.get("type").and_then(Value::as_str) != Some("null"))
            .and_then(|choice| resolved(root, choice)),
        None => Some(schema),
    }
}
