//! Finds the fields of a document that are points in time: those that its schema declares as `date-time`, directly or
//! through references. Pure.

use serde_json::Value;

/// References that are followed for one field. The bound is needed because a schema may refer to itself.
const REFERENCES_MAX: usize = 32;

/// Whether the field is a point in time. `field` is its path with dots.
pub(super) fn is_time(schema: &Value, field: &str) -> bool {
    schemas_of(schema, field).into_iter().any(is_point_in_time)
}

/// Whether this schema by itself declares a point in time.
pub(super) fn is_point_in_time(at: &Value) -> bool {
    at.get("format").and_then(Value::as_str) == Some("date-time")
}

/// The schemas of the field, with all that they refer to or are composed of. `field` is its path with dots.
pub(super) fn schemas_of<'a>(schema: &'a Value, field: &str) -> Vec<&'a Value> {
    let mut found = vec![schema];
    for part in field.split('.') {
        let mut next = Vec::new();
        for at in found {
            visit(schema, at, REFERENCES_MAX, &mut |at| {
                let named = at.get("properties").and_then(|properties| properties.get(part));
                next.extend(named.or_else(|| at.get("additionalProperties")));
            });
        }
        found = next;
    }
    let mut schemas = Vec::new();
    for at in found {
        visit(schema, at, REFERENCES_MAX, &mut |at| schemas.push(at));
    }
    schemas
}

/// Calls `see` with `at`, and with everything that it refers to or is composed of.
fn visit<'a>(root: &'a Value, at: &'a Value, references_left: usize, see: &mut dyn FnMut(&'a Value)) {
    see(at);
    let Some(references_left) = references_left.checked_sub(1) else { return };
    let reference = at.get("$ref").and_then(Value::as_str).and_then(|reference| reference.strip_prefix('#'));
    if let Some(target) = reference.and_then(|pointer| root.pointer(pointer)) {
        visit(root, target, references_left, see);
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        for part in at.get(word).and_then(Value::as_array).into_iter().flatten() {
            visit(root, part, references_left, see);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn points_in_time_are_found_through_references() {
        let schema = json!({
            "$defs": {
                "Timestamp": { "type": "string", "format": "date-time" },
                "Visit": { "properties": { "at": { "$ref": "#/$defs/Timestamp" }, "by": { "type": "string" } } },
                "Loop": { "$ref": "#/$defs/Loop" }
            },
            "properties": {
                "at": { "$ref": "#/$defs/Timestamp" },
                "closed": { "anyOf": [{ "$ref": "#/$defs/Timestamp" }, { "type": "null" }] },
                "opened": { "type": ["string", "null"], "format": "date-time" },
                "visit": { "allOf": [{ "$ref": "#/$defs/Visit" }] },
                "seen": { "additionalProperties": { "format": "date-time" } },
                "loop": { "$ref": "#/$defs/Loop" },
                "name": { "type": "string" }
            }
        });
        for field in ["at", "closed", "opened", "visit.at", "seen.x"] {
            assert!(is_time(&schema, field), "{field}");
        }
        for field in ["name", "visit.by", "visit", "loop", "loop.at", "nothing", "at.deeper"] {
            assert!(!is_time(&schema, field), "{field}");
        }
    }
}
