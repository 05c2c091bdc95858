//! Detects numbers that were lost when a guest wrote JSON. JSON has neither infinities nor NaN, and many libraries
//! silently write `null` instead. If the guest's own schema expects a number there, that `null` could never be read
//! back.

use serde_json::Value;

/// Maximum number of references followed from one schema, because references may form a cycle.
const REFERENCES_MAX: usize = 16;

/// A schema with its places for floats. `None` if it has no place for a float, so that most answers cost nothing.
pub(crate) struct Numbers(Option<Value>);

impl Numbers {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of(schema: &Value) -> Self {
        Self(mentions_floats(schema).then(|| schema.clone()))
    }

    /// Checks bytes that are known to be JSON.
    pub(crate) fn check(&self, json: &[u8]) -> Result<(), String> {
        let Some(schema) = &self.0 else { return Ok(()) };
        if !json.windows(4).any(|word| word == b"null") {
            return Ok(());
        }
        // JSON that is nested too deep for serde_json is refused elsewhere.
        let Ok(value) = serde_json::from_slice::<Value>(json) else { return Ok(()) };
        match lost(schema, schema, &value) {
            None => Ok(()),
            Some(place) => Err(format!(
                "has null at `{}`, where its schema expects a number: an infinity or NaN was lost, and it could not be read back",
                place.trim_start_matches('.')
            )),
        }
    }
}

fn mentions_floats(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.iter().any(|(name, member)| name == "type" && member == "number" || mentions_floats(member))
        }
        Value::Array(items) => items.iter().any(mentions_floats),
        _ => false,
    }
}

/// The place of the first lost number; `None` if there is none.
fn lost(root: &Value, schema: &Value, value: &Value) -> Option<String> {
    let schema = resolved(root, schema)?;
    for choice in ["anyOf", "oneOf"] {
        if let Some(choices) = schema.get(choice).and_then(Value::as_array) {
            let mut found = choices.iter().map(|schema| lost(root, schema, value));
            // It is enough if one choice accepts the value.
            let first = found.next()?;
            if first.is_some() && found.all(|found| found.is_some()) {
                return first;
            }
        }
    }
    if let Some(parts) = schema.get("allOf").and_then(Value::as_array)
        && let Some(place) = parts.iter().find_map(|schema| lost(root, schema, value))
    {
        return Some(place);
    }
    match value {
        Value::Null => (schema.get("type")? == "number").then(String::new),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let own = schema.get("properties").and_then(|properties| properties.get(name));
            let place = lost(root, own.or_else(|| schema.get("additionalProperties"))?, member)?;
            Some(format!(".{name}{place}"))
        }),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            let own = schema.get("prefixItems").and_then(|items| items.get(index));
            let place = lost(root, own.or_else(|| schema.get("items"))?, item)?;
            Some(format!("[{index}]{place}"))
        }),
        _ => None,
    }
}

fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> Option<&'a Value> {
    for _ in 0..REFERENCES_MAX {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else { return Some(schema) };
        schema = root.pointer(reference.strip_prefix('#')?)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn numbers() -> Numbers {
        Numbers::of(&json!({
            "type": "object",
            "properties": {
                "sum": { "type": "number", "format": "double" },
                "maybe": { "type": ["number", "null"] },
                "count": { "type": "integer" },
                "name": { "type": ["string", "null"] },
                "lines": { "type": "array", "items": { "$ref": "#/$defs/Line" } },
                "pair": { "prefixItems": [{ "type": "number" }, { "type": ["number", "null"] }] },
                "rates": { "type": "object", "additionalProperties": { "type": "number" } },
                "either": { "anyOf": [{ "type": "number" }, { "type": "null" }] },
                "any": true,
                "loop": { "$ref": "#/properties/loop" },
            },
            "$defs": { "Line": { "properties": { "price": { "type": "number" }, "next": { "$ref": "#/$defs/Line" } } } },
        }))
    }

    #[test]
    fn null_for_a_number_is_found() {
        for (json, place) in [
            (r#"{"sum":null}"#, "`sum`"),
            (r#"{"name":null,"lines":[{"price":1},{"price":1,"next":{"price":null}}]}"#, "`lines[1].next.price`"),
            (r#"{"pair":[null,null]}"#, "`pair[0]`"),
            (r#"{"rates":{"a":1,"b":null}}"#, "`rates.b`"),
        ] {
            let problem = numbers().check(json.as_bytes()).unwrap_err();
            assert!(problem.contains(place), "{problem}");
        }
    }

    #[test]
    fn null_is_right_where_the_schema_allows_it() {
        for json in [
            r#"{"sum":1,"maybe":null,"name":null,"pair":[1,null],"either":null,"any":null,"loop":null,"other":null}"#,
            r#"{"sum":0,"name":"null"}"#,
            "null",
        ] {
            assert_eq!(numbers().check(json.as_bytes()), Ok(()), "{json}");
        }
    }

    #[test]
    fn a_schema_without_floats_is_not_kept() {
        assert!(Numbers::of(&json!({ "properties": { "type": { "type": "integer" } } })).0.is_none());
        assert!(Numbers::of(&json!(true)).0.is_none());
    }
}
