//! Converts lines of a case to words and fields, and back. It does not depend on domains.

use serde_json::{Map, Value};

/// Takes the first word off `line`.
pub(super) fn word(line: &str) -> (&str, &str) {
    let line = line.trim_start();
    match line.find(char::is_whitespace) {
        Some(end) => (&line[..end], line[end..].trim_start()),
        None => (line, ""),
    }
}

/// Reads `sku=TEA quantity=2`, or a JSON object.
pub(super) fn fields(text: &str) -> Result<Value, String> {
    let mut rest = text.trim();
    if rest.starts_with('{') {
        return serde_json::from_str(rest).map_err(|error| format!("{rest} is not JSON: {error}"));
    }
    let mut object = Map::new();
    while !rest.is_empty() {
        let Some((path, after)) = rest.split_once('=').filter(|(path, _)| !path.contains(char::is_whitespace)) else {
            return Err(format!("{rest:?} does not start with a field: name=value"));
        };
        let (value, after) = value(after)?;
        put(&mut object, path, value)?;
        rest = after.trim_start();
    }
    Ok(Value::Object(object))
}

/// Reads a value at the start of `text`; returns it and the rest.
fn value(text: &str) -> Result<(Value, &str), String> {
    if text.starts_with(['"', '[', '{']) {
        // Such a value may hold blanks, so it ends where its JSON ends.
        let mut values = serde_json::Deserializer::from_str(text).into_iter();
        return match values.next() {
            Some(Ok(value)) => Ok((value, &text[values.byte_offset()..])),
            _ => Err(format!("{text:?} does not start with JSON")),
        };
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (value, rest) = text.split_at(end);
    Ok((serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned())), rest))
}

/// Puts `value` at a path like `lines.TEA.quantity`.
fn put(object: &mut Map<String, Value>, path: &str, value: Value) -> Result<(), String> {
    match path.split_once('.') {
        None => {
            if object.insert(path.to_owned(), value).is_some() {
                return Err(format!("{path} stands there twice"));
            }
            Ok(())
        }
        Some((first, rest)) => match object.entry(first).or_insert_with(|| Value::Object(Map::new())) {
            Value::Object(inner) => put(inner, rest, value),
            _ => Err(format!("{first} is a value already")),
        },
    }
}

/// Writes a JSON object as fields, in the form of a case.
pub(super) fn shown(value: &Value) -> String {
    let Value::Object(object) = value else { return value.to_string() };
    let fields: Vec<String> = object.iter().map(|(name, value)| format!("{name}={}", shown_value(value))).collect();
    fields.join(" ")
}

fn shown_value(value: &Value) -> String {
    match value {
        // Text needs no quotes when it reads back as the same text.
        Value::String(text)
            if !text.is_empty()
                && !text.contains(char::is_whitespace)
                && !text.starts_with(['"', '[', '{'])
                && serde_json::from_str::<Value>(text).is_err() =>
        {
            text.clone()
        }
        value => value.to_string(),
    }
}

/// The places where `actual` lacks or contradicts a field of `expected`; other fields of `actual` do not matter.
pub(super) fn missing(expected: &Value, actual: &Value, path: &str) -> Vec<String> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => expected
            .iter()
            .flat_map(|(name, value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match actual.get(name) {
                    Some(found) => missing(value, found, &path),
                    None => vec![format!("- {path}={}", shown_value(value)), format!("+ {path} is not there")],
                }
            })
            .collect(),
        (expected, actual) if expected == actual => Vec::new(),
        (expected, actual) => {
            vec![format!("- {path}={}", shown_value(expected)), format!("+ {path}={}", shown_value(actual))]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_read_and_shown_alike() {
        for (text, value) in [
            ("", json!({})),
            ("sku=TEA quantity=2", json!({"sku": "TEA", "quantity": 2})),
            (r#"text="two words" empty="" number="7""#, json!({"text": "two words", "empty": "", "number": "7"})),
            ("list=[1,2] none=null yes=true", json!({"list": [1, 2], "none": null, "yes": true})),
            ("key=a=b", json!({"key": "a=b"})),
        ] {
            let read = fields(text).unwrap();
            assert_eq!(read, value, "{text}");
            assert_eq!(fields(&shown(&read)).unwrap(), value, "{text}");
        }
        assert_eq!(fields("a.b.c=1 a.d=2").unwrap(), json!({"a": {"b": {"c": 1}, "d": 2}}));
        assert_eq!(fields(r#"{"a": 1}"#).unwrap(), json!({"a": 1}));
    }

    #[test]
    fn what_is_no_field_is_said() {
        assert!(fields("sku").unwrap_err().contains("name=value"));
        assert!(fields("sku=TEA tea").unwrap_err().contains("\"tea\""));
        assert!(fields("a=1 a=2").unwrap_err().contains("twice"));
        assert!(fields("a=1 a.b=2").unwrap_err().contains("already"));
        assert!(fields("a=[1").unwrap_err().contains("JSON"));
        assert!(fields("{").unwrap_err().contains("JSON"));
    }

    #[test]
    fn only_named_fields_have_to_be_there() {
        let actual = json!({"a": {"b": 1, "c": 2}, "d": "x"});
        assert!(missing(&json!({"a": {"c": 2}}), &actual, "").is_empty());
        assert_eq!(missing(&json!({"a": {"c": 3}}), &actual, ""), ["- a.c=3", "+ a.c=2"]);
        assert_eq!(missing(&json!({"e": "y"}), &actual, ""), ["- e=y", "+ e is not there"]);
    }
}
