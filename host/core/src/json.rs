//! Checks that bytes are JSON that every part of Polder can read: host, guests and read models all have the limits in
//! this file. Builds no values from the bytes.

use serde::de::IgnoredAny;

/// Maximum nesting of arrays and objects. JSON parsers commonly stop at 128, and an event may wrap what a command
/// contained.
pub const JSON_DEPTH_MAX: usize = 100;
/// The name under which [`JSON_DEPTH_MAX`] is reported.
pub const JSON_DEPTH_LIMIT: &str = "json_depth_max";
/// The name under which the range of numbers is reported: the largest finite 64-bit float.
pub const JSON_NUMBER_LIMIT: &str = "json_number_max";

/// A number with at most this many digits and no exponent is always in the range of a 64-bit float.
const DIGITS_IN_RANGE_MAX: usize = 308;
/// Length of an escape such as `\ud83d`.
const ESCAPE_BYTES: usize = 6;
/// Characters of a number that a message shows.
const NUMBER_SHOWN_MAX: usize = 40;

/// Why bytes are not accepted. Each message continues a sentence such as "the payload …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("is not JSON: {0}")]
    NotUtf8(std::str::Utf8Error),
    #[error("is not JSON: {0}")]
    Syntax(String),
    #[error("is nested {depth} levels deep; at most {JSON_DEPTH_MAX} are allowed (limit {JSON_DEPTH_LIMIT})")]
    TooDeep { depth: usize },
    #[error("has the number {number}, which no 64-bit float can hold: {max:e} is the largest (limit {JSON_NUMBER_LIMIT})", max = f64::MAX)]
    NumberTooLarge { number: String },
}

/// Checks the syntax, the depth, and the range of numbers.
pub fn check_json(bytes: &[u8]) -> Result<(), JsonError> {
    check_json_text(std::str::from_utf8(bytes).map_err(JsonError::NotUtf8)?)
}

/// Does the same as [`check_json`], for text that is known to be UTF-8.
pub fn check_json_text(text: &str) -> Result<(), JsonError> {
    // The parser builds nothing and does not recurse, so the depth of the text costs no stack.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| JsonError::Syntax(error.to_string()))?;
    if let Some(escape) = text.contains("\\u").then(|| half_character(text)).flatten() {
        return Err(JsonError::Syntax(format!(
            "{escape} is half of a character; both halves are needed, as in \\ud83d\\ude00"
        )));
    }
    // Counting brackets is many times faster than tracking the depth, and nearly always enough.
    let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets > JSON_DEPTH_MAX {
        let depth = depth(text);
        if depth > JSON_DEPTH_MAX {
            return Err(JsonError::TooDeep { depth });
        }
    }
    match may_have_large_number(text.as_bytes()).then(|| large_number(text)).flatten() {
        Some(number) => Err(JsonError::NumberTooLarge { number: shown(number) }),
        None => Ok(()),
    }
}

/// The first escape of a surrogate that is not one of a pair, in a text that is otherwise valid JSON. The parser passes
/// over such an escape when it builds no values, and no UTF-8 text can hold its meaning.
fn half_character(text: &str) -> Option<&str> {
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        rest = &rest[at..];
        let is_pair = match (surrogate(rest), rest.get(ESCAPE_BYTES..).and_then(surrogate)) {
            (None, _) => false,
            (Some(Half::High), Some(Half::Low)) => true,
            _ => return rest.get(..ESCAPE_BYTES),
        };
        // A backslash that is not part of a pair escapes the next character.
        rest = &rest[if is_pair { 2 * ESCAPE_BYTES } else { 2 }..];
    }
    None
}

enum Half {
    High,
    Low,
}

/// Which half of a pair the escape at the start of the text is. `None` if it is none.
fn surrogate(text: &str) -> Option<Half> {
    let unit = u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()?;
    match unit {
        0xd800..=0xdbff => Some(Half::High),
        0xdc00..=0xdfff => Some(Half::Low),
        _ => None,
    }
}

/// The depth of a text that is valid JSON.
fn depth(text: &str) -> usize {
    let (mut deepest, mut depth, mut in_string) = (0, 0_usize, false);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' => drop(bytes.next()),
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

/// Excludes most texts quickly. A number beyond the range has an exponent, or a long run of digits; such a run covers
/// at least one of the positions checked here.
fn may_have_large_number(bytes: &[u8]) -> bool {
    let has_exponent = bytes.windows(2).any(|pair| pair[0].is_ascii_digit() && matches!(pair[1], b'e' | b'E'));
    has_exponent || bytes.iter().skip(DIGITS_IN_RANGE_MAX).step_by(DIGITS_IN_RANGE_MAX + 1).any(u8::is_ascii_digit)
}

/// The first number beyond the range of a 64-bit float, in a text that is valid JSON.
fn large_number(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut offset = 0;
    while offset < bytes.len() {
        match bytes[offset] {
            b'"' => offset = end_of_string(bytes, offset),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
                let length = bytes[offset..].iter().take_while(|byte| is_part(byte)).count();
                let number = &text[offset..offset + length];
                if number.parse::<f64>().is_ok_and(f64::is_infinite) {
                    return Some(number);
                }
                offset += length;
            }
            _ => offset += 1,
        }
    }
    None
}

/// The position after the closing quote of the string that opens at `start`.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut offset = start + 1;
    while offset < bytes.len() {
        match bytes[offset] {
            b'"' => return offset + 1,
            b'\\' => offset += 2,
            _ => offset += 1,
        }
    }
    offset
}

fn shown(number: &str) -> String {
    match number.get(..NUMBER_SHOWN_MAX) {
        Some(start) if number.len() > NUMBER_SHOWN_MAX => format!("{start}… of {} characters", number.len()),
        _ => number.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn good_json_passes() {
        for text in
            ["{}", "null", " 1 ", r#"{"a":[1,"ü\"[["]}"#, "1e308", "-1.7976931348623157e308", "1e-400", "[0.1e3]"]
        {
            assert_eq!(check_json(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_reported_as_such() {
        for text in ["", "{", "nul", "{}{}", "{'a':1}", "NaN", "1e", "Infinity"] {
            assert!(matches!(check_json(text.as_bytes()), Err(JsonError::Syntax(_))), "{text}");
        }
        for bytes in [b"\"\xff\"".as_slice(), b"\xc3", b"\"\xed\xa0\x80\""] {
            assert!(matches!(check_json(bytes), Err(JsonError::NotUtf8(_))), "{bytes:?}");
        }
    }

    #[test]
    fn half_of_a_character_is_refused() {
        for text in [r#""\ud83d\ude00""#, r#""\\ud83d""#, r#"["\uD83D\uDE00\ud83d\ude00", "\u00e9\n\ud7ff\ue000"]"#] {
            assert_eq!(check_json_text(text), Ok(()), "{text}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{text}");
        }
        for text in
            [r#""\ud83d""#, r#""\ude00\ud83d""#, r#""\ud83d\ud83d\ude00""#, r#"{"\\\uDFFFx": 1}"#, r#""\ud83d\n""#]
        {
            let error = check_json_text(text).unwrap_err();
            assert!(error.to_string().contains("is half of a character"), "{text}: {error}");
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_bounded_and_width_is_not() {
        assert_eq!(check_json_text(&nested(JSON_DEPTH_MAX)), Ok(()));
        for depth in [JSON_DEPTH_MAX + 1, 127, 128, 130, 1_000_000] {
            assert_eq!(check_json_text(&nested(depth)), Err(JsonError::TooDeep { depth }));
        }
        assert_eq!(check_json_text(&format!("[{}{{}}]", r#"["[[\\\"[["],"#.repeat(10_000))), Ok(()));
    }

    #[test]
    fn a_number_that_no_float_can_hold_is_in_the_message() {
        let digits = "9".repeat(400);
        for number in ["1e400", "-1E400", "1.8e308", "9e999999999999", &digits, &format!("-{digits}.5")] {
            for text in [
                number.to_owned(),
                format!("{{\"a\": [\"1e400\", {number}]}}"),
                format!("[{}{number}]", "1, ".repeat(500)),
            ] {
                let error = check_json_text(&text).unwrap_err();
                assert_eq!(error, JsonError::NumberTooLarge { number: shown(number) }, "{text}");
                assert!(error.to_string().contains(JSON_NUMBER_LIMIT), "{error}");
            }
        }
        assert_eq!(check_json_text(&format!("[\"{digits}\", \"\\\"1e400\", \"1e400\"]")), Ok(()));
        assert!(check_json_text(&digits).unwrap_err().to_string().contains("… of 400 characters"));
    }
}
