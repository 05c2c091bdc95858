//! Checks that a value that a query names can stand in a field, by the types of JSON in the field's schema. Pure.

use jiff::Timestamp;
use serde_json::Value;

use super::time_fields::{is_point_in_time, schemas_of};
use crate::views::field_values::Number;

/// Keywords that leave the type of a value to other schemas.
const COMPOSED: [&str; 4] = ["$ref", "anyOf", "oneOf", "allOf"];

/// Returns what the field holds if `wanted` is no such value. `None` if it may be one, or if the schema leaves the type
/// open.
pub(super) fn mismatch(schema: &Value, field: &str, wanted: &str) -> Option<String> {
    let mut types: Vec<Type<'_>> = Vec::new();
    for at in schemas_of(schema, field) {
        let is_time = is_point_in_time(at);
        match at.get("type") {
            Some(Value::String(name)) => types.push(Type { name, is_time }),
            Some(Value::Array(names)) => {
                types.extend(names.iter().filter_map(Value::as_str).map(|name| Type { name, is_time }));
            }
            _ if COMPOSED.iter().any(|word| at.get(*word).is_some()) => {}
            _ => return None,
        }
    }
    if types.is_empty() || types.iter().any(|one| one.fits(wanted)) {
        return None;
    }
    let mut described: Vec<&str> = types.iter().map(Type::description).collect();
    described.sort_unstable();
    described.dedup();
    Some(described.join(" or "))
}

/// A type of JSON that a schema names.
struct Type<'a> {
    name: &'a str,
    /// Whether the schema declares its texts as points in time.
    is_time: bool,
}

impl Type<'_> {
    fn fits(&self, wanted: &str) -> bool {
        match self.name {
            "integer" | "number" => Number::parse(wanted).is_some(),
            "boolean" => matches!(wanted, "true" | "false"),
            "null" => wanted == "null",
            "object" => wanted.starts_with('{'),
            "array" => wanted.starts_with('['),
            "string" => !self.is_time || wanted.parse::<Timestamp>().is_ok(),
            _ => true,
        }
    }

    fn description(&self) -> &str {
        match self.name {
            "integer" => "a whole number",
            "number" => "a number",
            "boolean" => "true or false",
            "object" => "an object",
            "array" => "a list",
            "string" if self.is_time => "a point in time such as 2026-01-31T14:30:00Z",
            "string" => "a text",
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_of_another_type_is_found_with_what_would_be_right() {
        let schema = json!({
            "$defs": { "Price": { "type": "integer" }, "At": { "type": "string", "format": "date-time" } },
            "properties": {
                "total": { "$ref": "#/$defs/Price" },
                "rate": { "type": "number" },
                "paid": { "type": ["boolean", "null"] },
                "at": { "anyOf": [{ "$ref": "#/$defs/At" }, { "type": "null" }] },
                "name": { "type": "string" },
                "sizes": { "additionalProperties": { "type": "integer" } },
                "free": {},
                "any": true,
                "when": { "anyOf": [{ "$ref": "#/$defs/At" }, { "type": "string" }] },
                "mixed": { "anyOf": [{ "type": "integer" }, {}] }
            }
        });
        for (field, wanted) in [
            ("total", "18"),
            ("total", "1.8e1"),
            ("rate", "-0.5"),
            ("paid", "true"),
            ("paid", "null"),
            ("at", "2026-01-01T01:00:00+01:00"),
            ("at", "null"),
            ("name", "18"),
            ("name", ""),
            ("sizes.x", "3"),
            ("free", "what"),
            ("any", "what"),
            ("mixed", "what"),
            ("when", "soon"),
            ("unknown", "what"),
        ] {
            assert_eq!(mismatch(&schema, field, wanted), None, "{field}:{wanted}");
        }
        for (field, wanted, right) in [
            ("total", "many", "a whole number"),
            ("total", "", "a whole number"),
            ("rate", "1,5", "a number"),
            ("paid", "yes", "null or true or false"),
            ("at", "yesterday", "a point in time such as 2026-01-31T14:30:00Z or null"),
            ("sizes.x", "large", "a whole number"),
        ] {
            assert_eq!(mismatch(&schema, field, wanted).as_deref(), Some(right), "{field}:{wanted}");
        }
    }
}
