//! Compares values of fields: numbers as numbers, points in time as such if the schema declares them, everything else
//! as text. Pure.

use jiff::Timestamp;

use super::number::Number;

/// The order of values of different kinds.
const MISSING: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const TIME: u8 = 4;
const TEXT: u8 = 5;
const OTHER: u8 = 6;

/// Whether the field has the value that a query names. `field` is the JSON of the field; `None` if the document does
/// not have it.
pub(super) fn is(field: Option<&str>, wanted: &str, is_time: bool) -> bool {
    let Some(field) = field else { return false };
    match text_of(field) {
        Some(text) => text == wanted || (is_time && is_same_time(&text, wanted)),
        None => field == wanted || Number::parse(field).is_some_and(|number| Some(number) == Number::parse(wanted)),
    }
}

/// Bytes that sort like the values.
pub(super) fn order_key(field: Option<&str>, is_time: bool) -> Vec<u8> {
    let of = |kind: u8, rest: &[u8]| [&[kind], rest].concat();
    match field {
        None | Some("null") => vec![MISSING],
        Some("false") => vec![FALSE],
        Some("true") => vec![TRUE],
        Some(field) => match (text_of(field), Number::parse(field)) {
            (Some(text), _) => match time_of(&text).filter(|_| is_time) {
                Some(time) => of(TIME, &time),
                None => of(TEXT, text.as_bytes()),
            },
            (None, Some(number)) => of(NUMBER, &number.order_key()),
            (None, None) => of(OTHER, field.as_bytes()),
        },
    }
}

fn text_of(field: &str) -> Option<String> {
    if field.starts_with('"') { serde_json::from_str(field).ok() } else { None }
}

fn is_same_time(one: &str, other: &str) -> bool {
    matches!((time_of(one), time_of(other)), (Some(one), Some(other)) if one == other)
}

/// Nanoseconds, shifted so that times before 1970 come first.
fn time_of(text: &str) -> Option<[u8; 16]> {
    let time: Timestamp = text.parse().ok()?;
    Some(((time.as_nanosecond() as u128) ^ (1 << 127)).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_compared_by_its_kind() {
        let cases = [
            (Some("1e-7"), "0.0000001", false, true),
            (Some("18446744073709551615"), "18446744073709551615", false, true),
            (Some("18446744073709551615"), "18446744073709551616", false, false),
            (Some("\"18\""), "18", false, true),
            (Some("\"18\""), "18.0", false, false),
            (Some("\"D\\u00e9lft\""), "Délft", false, true),
            (Some("true"), "true", false, true),
            (Some("null"), "null", false, true),
            (None, "null", false, false),
            (Some("\"2026-01-01T01:00:00+01:00\""), "2026-01-01T00:00:00Z", true, true),
            (Some("\"2026-01-01T01:00:00+01:00\""), "2026-01-01T00:00:00Z", false, false),
            (Some("\"soon\""), "soon", true, true),
        ];
        for (field, wanted, is_time, expected) in cases {
            assert_eq!(is(field, wanted, is_time), expected, "{field:?} and {wanted:?}");
        }
    }

    #[test]
    fn values_are_ordered_by_time_and_size() {
        let ascending = [
            "null",
            "false",
            "true",
            "-2",
            "10",
            "18446744073709551615",
            "\"1969-12-31T23:59:59Z\"",
            "\"2026-01-01T00:00:05.3Z\"",
            "\"2026-01-01T00:00:05.385Z\"",
            "\"2026-01-01T02:00:06+02:00\"",
            "\"2026-01-01T00:00:07Z\"",
            "\"a\"",
            "\"b\"",
            "{}",
        ];
        let keys: Vec<_> = ascending.iter().map(|field| order_key(Some(field), true)).collect();
        assert!(keys.is_sorted_by(|one, other| one < other), "{keys:?}");
        assert_eq!(order_key(None, true), keys[0]);
        let as_text = |field: &str| order_key(Some(field), false);
        assert!(as_text("\"2026-01-01T00:00:05.385Z\"") < as_text("\"2026-01-01T00:00:05.3Z\""));
    }
}
