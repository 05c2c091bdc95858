//! Makes ids from text with characters that an id may not have. The conversion is reversible, so two different texts
//! never get the same id.

use std::fmt::Write;

/// Replaces each byte that `allowed` refuses, and `=` itself, by `=` and two hexadecimal digits.
pub(crate) fn escape(text: &str, allowed: impl Fn(u8) -> bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte != b'=' && byte.is_ascii() && allowed(byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing into a String cannot fail.
            let _ = write!(escaped, "={byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unescape(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            if *first == b'=' {
                let digits = std::str::from_utf8(&rest[..2]).unwrap();
                bytes.push(u8::from_str_radix(digits, 16).unwrap());
                rest = &rest[2..];
            } else {
                bytes.push(*first);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn what_is_allowed_stays() {
        assert_eq!(escape("case 1/é=", |byte| byte.is_ascii_alphanumeric()), "case=201=2F=C3=A9=3D");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in ".*") {
            let escaped = escape(&text, |byte| byte.is_ascii_alphanumeric());
            prop_assert!(escaped.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'='));
            prop_assert_eq!(unescape(&escaped), text);
        }
    }
}
