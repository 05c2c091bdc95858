//! Finds whole numbers in a command that would be rounded silently. Where a field takes any JSON (`serde_json::Value`),
//! a whole number beyond 64 bits is read as a float. A field with a number type, such as `u128` or `f64`, has its own
//! rule and is not checked.

use std::ops::Range;

use serde::de::DeserializeOwned;

use crate::place::{place_at, written};

/// No whole number of 64 bits has more digits.
const DIGITS_MAX: usize = 20;
/// The most bytes that are read again, in all, to find out which of these numbers are free-form; a command that needs
/// more is refused.
const BYTES_READ_MAX: usize = 4 * 1024 * 1024;

/// The problem with the whole numbers of a payload that is known to be a good `T`; `None` when each is kept exactly.
pub(crate) fn rounded<T: DeserializeOwned>(payload: &[u8]) -> Option<String> {
    let found = inexact(payload);
    if found.is_empty() {
        return None;
    }
    if found.len().saturating_mul(payload.len()) > BYTES_READ_MAX {
        return Some(format!("there are {} whole numbers beyond 64 bits; send them as text", found.len()));
    }
    // A place that takes any JSON also takes `true`; a place that wants a number does not.
    let is_free = |number: &Range<usize>| {
        let tried = [&payload[..number.start], b"true", &payload[number.end..]].concat();
        serde_json::from_slice::<T>(&tried).is_ok()
    };
    let number = found.into_iter().find(is_free)?;
    let before = &payload[..number.start];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    // The column includes the first digit: a comma at the end would count as one that the reader has only peeked at.
    let column = before.len() - before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1) + 1;
    let shown = String::from_utf8_lossy(&payload[number.start..number.end.min(number.start + 2 * DIGITS_MAX)]);
    Some(format!(
        "`{}`: {shown} is a whole number beyond 64 bits, and would be rounded; send it as text",
        written(&place_at(payload, line, column))
    ))
}

/// The whole numbers that neither 64 bits nor a float hold exactly.
fn inexact(payload: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    if payload.len() < DIGITS_MAX {
        return found;
    }
    let mut at = 0;
    while at < payload.len() {
        match payload[at] {
            b'"' => at = string_end(payload, at + 1),
            b'-' | b'0'..=b'9' => {
                let start = at;
                let is_of_number = |byte: &&u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                at += payload[at..].iter().take_while(is_of_number).count();
                if is_inexact(&payload[start..at]) {
                    found.push(start..at);
                }
            }
            _ => at += 1,
        }
    }
    found
}

fn is_inexact(number: &[u8]) -> bool {
    if number.len() < DIGITS_MAX - 1 {
        return false;
    }
    let Ok(text) = std::str::from_utf8(number) else { return false };
    let is_whole = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let is_kept = || text.parse::<u64>().is_ok() || text.parse::<i64>().is_ok();
    // The nearest float, written out in full.
    let is_a_float = || text.parse::<f64>().is_ok_and(|float| format!("{float:.0}") == text);
    is_whole && !is_kept() && !is_a_float()
}

/// The position after the string that opened before `at`.
fn string_end(json: &[u8], mut at: usize) -> usize {
    while let Some(byte) = json.get(at) {
        at += match byte {
            b'\\' => 2,
            b'"' => return at + 1,
            _ => 1,
        };
    }
    json.len()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only how it is read matters")]
    struct Reading {
        #[serde(default)]
        any: Value,
        #[serde(default)]
        large: Option<u128>,
        #[serde(default)]
        floats: Vec<f64>,
    }

    #[test]
    fn what_is_kept_passes() {
        for payload in [
            r#"{"any":18446744073709551615}"#,
            r#"{"any":-9223372036854775808}"#,
            r#"{"any":[1.5,"99999999999999999999",1e300,100000000000000000000]}"#,
            // Two to the 64th is exact as a float.
            r#"{"any":18446744073709551616}"#,
            r#"{"large":99999999999999999999,"floats":[99999999999999999999,-99999999999999999999]}"#,
        ] {
            assert_eq!(rounded::<Reading>(payload.as_bytes()), None, "{payload}");
        }
    }

    #[test]
    fn what_would_be_rounded_is_named_with_its_place() {
        for (payload, expected) in [
            (r#"{"any":18446744073709551617}"#, "`any`: 18446744073709551617 is a whole number beyond 64 bits"),
            ("{\"any\":\n [1, {\"n\": -9223372036854775809}]}", "`any[1].n`: -9223372036854775809 is a whole"),
            (r#"{"floats":[99999999999999999999],"any":99999999999999999999}"#, "`any`: 99999999999999999999"),
        ] {
            let problem = rounded::<Reading>(payload.as_bytes()).unwrap();
            assert!(problem.starts_with(expected), "{problem}");
        }
    }

    #[test]
    fn very_many_are_refused_without_being_tried() {
        let numbers = vec!["99999999999999999999"; 1_000].join(",");
        let problem = rounded::<Reading>(format!(r#"{{"floats":[{numbers}]}}"#).as_bytes()).unwrap();
        assert_eq!(problem, "there are 1000 whole numbers beyond 64 bits; send them as text");
        let numbers = vec!["99999999999999999999"; 100].join(",");
        assert_eq!(rounded::<Reading>(format!(r#"{{"floats":[{numbers}]}}"#).as_bytes()), None);
    }
}
