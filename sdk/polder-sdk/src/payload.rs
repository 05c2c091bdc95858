//! Reading and writing JSON. Reading is fast when the payload is good; only a refused payload is read again, to report
//! the place and the reason.
#![allow(missing_docs, reason = "generated code calls this; people do not")]

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_ignored::Path;
use serde_json::Value;
use serde_json::error::Category;

use crate::aggregate::{Aggregate, Command, Event};
use crate::describe::schema_of;
use crate::messages::{EventRef, Fault, Rejected};
use crate::place::{place_at, written};
use crate::{finite, whole_numbers};

/// The most levels of arrays and objects that serde_json reads. A host allows fewer.
const DEPTH_MAX: usize = 127;

/// Reads a caller's payload as a command that takes a `T`.
pub fn read_command<T: DeserializeOwned + JsonSchema>(payload: &[u8]) -> Result<T, Rejected> {
    // A command without fields needs no body.
    let payload = if payload.is_empty() { b"{}" } else { payload };
    // serde would also accept an array, and fill the fields by their order.
    if let Some(problem) = no_object(payload) {
        return Err(invalid(problem));
    }
    let mut unknown = false;
    match read_strictly(payload, &mut |_| unknown = true) {
        Ok(_) if unknown => Err(invalid(unknown_field::<T>(payload))),
        Ok(value) => whole_numbers::rounded::<T>(payload).map_or(Ok(value), |problem| Err(invalid(problem))),
        Err(error) => Err(invalid(problem(payload, &error))),
    }
}

fn no_object(payload: &[u8]) -> Option<String> {
    if payload.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
        return None;
    }
    Some(match serde_json::from_slice::<serde::de::IgnoredAny>(payload) {
        Ok(_) => "a command takes a JSON object: { … }".to_owned(),
        Err(error) => problem(payload, &error),
    })
}

/// Reads a `T` and calls `report` with the path of each field that it does not read. `report` is a trait object,
/// because each other type would add the code that reads a `T` to the component once more.
fn read_strictly<T: DeserializeOwned>(payload: &[u8], report: &mut dyn FnMut(&Path<'_>)) -> serde_json::Result<T> {
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let value = serde_ignored::deserialize(&mut reader, |path| report(&path))?;
    reader.end()?;
    Ok(value)
}

/// Reads a recorded event in its newest version.
pub fn read_event<T: DeserializeOwned>(name: &str, version: u32, payload: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(payload).map_err(|error| {
        Fault::new(format!("event {name} of version {version} cannot be read: {}", problem(payload, &error)))
    })
}

/// Reads an event of the aggregate `A`; none when it happened to an aggregate of another kind. Generated code calls
/// this and not `Event::read`, so that a missing derive is reported once, at the aggregate.
pub fn read_own<A: Aggregate>(event: &EventRef<'_>) -> Result<Option<A::Event>, Fault> {
    if event.aggregate != A::NAME {
        return Ok(None);
    }
    A::Event::read(event.name, event.version, event.payload).map(Some)
}

/// Whether the bytes are JSON with more levels than can be read.
pub(crate) fn is_nested_too_deep(payload: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(payload).is_err_and(|error| is_recursion_limit(&error))
}

fn is_recursion_limit(error: &serde_json::Error) -> bool {
    error.to_string().starts_with("recursion limit exceeded")
}

/// Reads a recorded event of an older version, and brings it to the newest version.
pub fn upcast<T: DeserializeOwned, E>(name: &str, version: u32, payload: &[u8], bring: fn(T) -> E) -> Result<E, Fault> {
    read_event(name, version, payload).map(bring)
}

pub fn write_event<T: Serialize>(name: &str, event: &T) -> Result<Vec<u8>, Fault> {
    finite::to_vec(event).map_err(|problem| Fault::new(format!("event {name} has no JSON: {problem}")))
}

pub fn unknown_command<C: Command>(name: &str) -> Rejected {
    let known: Vec<&str> = C::VARIANTS.iter().map(|variant| variant.name).collect();
    Rejected::new("unknown-command", format!("there is no command {name:?}; there are {}", known.join(", ")))
}

pub fn unknown_event<E: Event>(name: &str, version: u32) -> Fault {
    match E::VARIANTS.iter().find(|variant| variant.name == name) {
        Some(variant) => Fault::new(format!(
            "event {name} of version {version} cannot be read: this revision reads versions 1 to {}",
            variant.version
        )),
        None => {
            let known: Vec<&str> = E::VARIANTS.iter().map(|variant| variant.name).collect();
            Fault::new(format!("there is no event {name:?}; there are {}", known.join(", ")))
        }
    }
}

fn invalid(problem: String) -> Rejected {
    Rejected::new("invalid-payload", problem)
}

/// The problem with `payload`, including its place.
fn problem(payload: &[u8], error: &serde_json::Error) -> String {
    let message = error.to_string();
    if is_recursion_limit(error) {
        return format!("this is JSON nested more than {DEPTH_MAX} deep");
    }
    let is_too_large = message.starts_with("number out of range");
    if error.classify() != Category::Data && !is_too_large {
        return format!("this is not JSON: {message}");
    }
    // Line and column mean little in a body that a program wrote; the path is clearer.
    let message = match message.rfind(" at line ") {
        _ if is_too_large => "this number is larger than any that can be kept: about 1.8e308 is the largest",
        Some(end) => &message[..end],
        None => message.as_str(),
    };
    let mut place = place_at(payload, error.line(), error.column());
    if message.starts_with("unknown field") {
        // The field itself is in the message.
        place.pop();
    }
    if place.is_empty() { message.to_owned() } else { format!("`{}`: {message}", written(&place)) }
}

/// Names the first unknown field, and the fields that are known at its place.
fn unknown_field<T: DeserializeOwned + JsonSchema>(payload: &[u8]) -> String {
    let mut first = None;
    // The payload is known to be readable; this pass only collects the unknown fields.
    let _: serde_json::Result<T> = read_strictly(payload, &mut |path| {
        first.get_or_insert_with(|| segments(path));
    });
    let mut place = first.unwrap_or_default();
    let field = place.pop().unwrap_or_default();
    let schema = schema_of::<T>();
    let message = match fields_at(&schema, &place) {
        Some(fields) if !fields.is_empty() => format!("unknown field `{field}`, expected one of {}", fields.join(", ")),
        _ => format!("unknown field `{field}`, there are no fields"),
    };
    if place.is_empty() { message } else { format!("`{}`: {message}", written(&place)) }
}

fn segments(path: &Path<'_>) -> Vec<String> {
    let (parent, segment) = match path {
        Path::Root => return Vec::new(),
        Path::Seq { parent, index } => (parent, Some(index.to_string())),
        Path::Map { parent, key } => (parent, Some(key.clone())),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => (parent, None),
    };
    let mut place = segments(parent);
    place.extend(segment);
    place
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

/// Follows references, and takes the alternative of an optional value that is not `null`.
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

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::id::Id;
    use crate::timestamp::Timestamp;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Shipment {
        id: Id<()>,
        parcels: Vec<Parcel>,
        label: Option<Label>,
        at: Option<Timestamp>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Parcel {
        grams: u32,
        labels: Vec<Label>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Label {
        text: String,
    }

    fn refused(payload: &str) -> String {
        let rejected = read_command::<Shipment>(payload.as_bytes()).unwrap_err();
        assert_eq!(rejected.code, "invalid-payload");
        rejected.message
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (payload, expected) in [
            ("{", "this is not JSON: EOF while parsing an object at line 1 column 1"),
            ("[]", "a command takes a JSON object"),
            ("7", "a command takes a JSON object"),
            ("seven", "this is not JSON: expected value at line 1 column 1"),
            ("", "missing field `id`"),
            (r#"{"id":"a"}"#, "missing field `parcels`"),
            (r#"{"id":"a b","parcels":[]}"#, "`id`: \"a b\" is no Id: an id has 1 to 128 characters"),
            (r#"{"id":7,"parcels":[]}"#, "`id`: invalid type: integer `7`, expected a string"),
            (r#"{"id":"a","parcels":{}}"#, "`parcels`: invalid type: map, expected a sequence"),
            (
                "{\"id\":\"a\",\n \"parcels\":[\n{\"grams\":-1}]}",
                "`parcels[0].grams`: invalid value: integer `-1`, expected u32",
            ),
            (
                r#"{"id":"a","parcels":[{"grams":1,"labels":[]},{"grams":"2"}]}"#,
                "`parcels[1].grams`: invalid type: string \"2\", expected u32",
            ),
            (r#"{"id":"a","parcels":[{"grams":1}]}"#, "`parcels[0]`: missing field `labels`"),
            (
                r#"{"id":"a","parcels":[],"at":"yesterday"}"#,
                "`at`: \"yesterday\" is no time: a time is written as in RFC 3339",
            ),
            (
                r#"{"id":"a","parcels":[],"colour":1}"#,
                "unknown field `colour`, expected one of `id`, `parcels`, `label`, `at`",
            ),
            (
                r#"{"id":"a","parcels":[],"label":{"text":"x","size":1}}"#,
                "`label`: unknown field `size`, expected one of `text`",
            ),
            (
                r#"{"id":"a","parcels":[{"grams":1,"labels":[{"text":"x","size":{"mm":1}}]}]}"#,
                "`parcels[0].labels[0]`: unknown field `size`, expected one of `text`",
            ),
            (r#"{"id":"a","parcels":[]} x"#, "this is not JSON: trailing characters"),
            (
                r#"{"id":"a","parcels":[{"grams":1e400,"labels":[]}]}"#,
                "`parcels[0].grams`: this number is larger than any that can be kept",
            ),
        ] {
            let message = refused(payload);
            assert!(message.starts_with(expected), "{payload}\n  {message}");
        }
    }

    #[test]
    fn depth_is_bounded_and_the_bound_is_named() {
        #[derive(Debug, Deserialize, JsonSchema)]
        struct Anything {
            #[allow(dead_code)]
            any: Value,
        }
        let nested = |depth: usize| {
            let payload = format!("{{\"any\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1));
            read_command::<Anything>(payload.as_bytes())
        };
        assert!(nested(DEPTH_MAX).is_ok());
        assert_eq!(nested(DEPTH_MAX + 1).unwrap_err().message, "this is JSON nested more than 127 deep");
        let list = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(is_nested_too_deep(list(DEPTH_MAX + 1).as_bytes()));
        assert!(
            !is_nested_too_deep(list(DEPTH_MAX).as_bytes()) && !is_nested_too_deep(b"[") && !is_nested_too_deep(b"")
        );
    }

    #[test]
    fn an_older_reader_passes_over_fields_of_a_newer_writer() {
        let read: Result<Label, _> = read_event("label-printed", 1, br#"{"text":"x","size":1}"#);
        assert_eq!(read.unwrap().text, "x");
    }

    #[test]
    fn an_event_that_cannot_be_read_is_a_fault_with_name_and_version() {
        let read: Result<Label, _> = read_event("label-printed", 3, br#"{"text":1}"#);
        assert_eq!(
            read.unwrap_err().message,
            "event label-printed of version 3 cannot be read: `text`: invalid type: integer `1`, expected a string"
        );
    }
}
