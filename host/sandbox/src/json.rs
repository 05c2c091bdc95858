//! Whether bytes are JSON in UTF-8, without building anything from them.

use serde::de::IgnoredAny;

/// Arrays and objects inside each other, at most. Readers of JSON commonly stop at 128.
pub const JSON_DEPTH_MAX: usize = 100;

pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    check_text(std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8: {error}"))?)
}

pub(crate) fn check_text(text: &str) -> Result<(), String> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| format!("is not JSON: {error}"))?;
    // Counting brackets is many times faster than following them, and nearly always enough.
    let brackets = text.bytes().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets > JSON_DEPTH_MAX && depth(text) > JSON_DEPTH_MAX {
        return Err(format!("is JSON nested more than {JSON_DEPTH_MAX} deep"));
    }
    Ok(())
}

/// Of what is known to be JSON.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_json_passes() {
        for text in ["{}", "null", " 1 ", r#"{"a":[1,"ü\"[["]}"#] {
            assert_eq!(check(text.as_bytes()), Ok(()), "{text}");
        }
    }

    #[test]
    fn bad_json_is_named() {
        for text in ["", "{", "nul", "{}{}", "{'a':1}", "NaN"] {
            assert!(check(text.as_bytes()).unwrap_err().starts_with("is not JSON"), "{text}");
        }
        for bytes in [b"\"\xff\"".as_slice(), b"\xc3", b"\"\xed\xa0\x80\""] {
            assert!(check(bytes).unwrap_err().starts_with("is not UTF-8"), "{bytes:?}");
        }
    }

    #[test]
    fn depth_is_bounded_and_width_is_not() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check_text(&nested(JSON_DEPTH_MAX)), Ok(()));
        assert!(check_text(&nested(JSON_DEPTH_MAX + 1)).unwrap_err().contains("nested"));
        assert!(check_text(&nested(1_000_000)).unwrap_err().contains("nested"));
        assert_eq!(check_text(&format!("[{}{{}}]", r#"["[[\\\"[["],"#.repeat(10_000))), Ok(()));
    }
}
