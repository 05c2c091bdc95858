//! Damaged descriptors, JSON texts and patterns of subjects: each is refused, or reads the same once it is written
//! again.

use polder_fuzz::{Damage, run};
use serde_json::Value;

use crate::access::Pattern;
use crate::{Descriptor, check_json};

const CASES_MIN: u64 = 1_000;
/// The longest message of a refusal in bytes. It names the problem, and does not repeat the input.
const MESSAGE_BYTES_MAX: usize = 1_000;

const DESCRIPTOR: &str = r#"{"format":1,"domain":"orders","aggregates":{"order":{"doc":"","commands":{"send":{"schema":{}}},
"events":{"sent":{"version":2,"reads":[1,2],"schema":{"type":"object"}}},"state_schema":{},
"chart":{"field":"at","initial":"a","states":["a","b"],"transitions":[{"from":"a","event":"sent","to":"b"}]}}},
"projections":{"all-orders":{"schema":{},"per_aggregate":["order"]}}}"#;
const JSON_WORDS: [&str; 14] =
    ["\"", "{", "}", "[", "]", ",", ":", "null", "1e999", "-0.0", "\\ud800", "\\u0000", "[[[[[[[[[[", "]]]]]]]]]]"];

#[test]
fn damaged_descriptors_are_refused_or_read_as_written() {
    let damage = Damage::new([DESCRIPTOR], &JSON_WORDS);
    let counts = run(CASES_MIN, |random| match Descriptor::parse(&damage.text(random)) {
        Ok(descriptor) => {
            let text = serde_json::to_string(&descriptor).unwrap();
            assert_eq!(Descriptor::parse(&text).as_ref(), Ok(&descriptor));
            true
        }
        Err(error) => {
            assert!(error.to_string().len() < MESSAGE_BYTES_MAX, "{error}");
            false
        }
    });
    counts.assert_both();
}

/// Every parser of Polder can read what this check accepts.
#[test]
fn damaged_json_is_refused_or_read_by_parsers() {
    let texts = [DESCRIPTOR, "[1e308,-0.5,123456789012345678901234567890,\"\\ud83d\\ude00\",true,null]", "[[[[{}]]]]"];
    let damage = Damage::new(texts, &JSON_WORDS);
    let counts = run(CASES_MIN, |random| {
        let bytes = damage.some_undamaged(random);
        if check_json(&bytes).is_err() {
            return false;
        }
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(check_json(value.to_string().as_bytes()), Ok(()));
        true
    });
    counts.assert_both();
}

#[test]
fn damaged_patterns_are_refused_or_match_themselves() {
    let damage = Damage::new(
        ["acme.cmd.orders.>", "*.orders.order.*.v1", "$host.admin.key.add"],
        &[".", "*", ">", " ", "\0", "é"],
    );
    let counts = run(CASES_MIN, |random| {
        let text = damage.text(random);
        let Ok(pattern) = Pattern::new(&text) else { return false };
        assert_eq!(pattern.as_str(), text);
        assert!(pattern.matches(&text) && pattern.contains(&pattern), "{text}");
        true
    });
    counts.assert_both();
}
