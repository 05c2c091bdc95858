//! A pattern: a set of subjects in NATS's form. Tokens are separated by dots; `*` matches exactly one token, and `>` as
//! the last token matches one or more. A `*` or `>` next to other characters in a token is an ordinary character.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Maximum length of a pattern, in bytes: more than the longest subject.
pub const PATTERN_BYTES_MAX: usize = 512;

const ONE: &str = "*";
const REST: &str = ">";

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Arc<str>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "pattern {pattern:?} {problem}: expected tokens separated by dots, with * for one token and > at the end for the rest, as in acme.cmd.orders.>"
)]
pub struct PatternError {
    pattern: String,
    problem: &'static str,
}

impl Pattern {
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let fail = |problem| PatternError { pattern: text.chars().take(80).collect(), problem };
        if text.len() > PATTERN_BYTES_MAX {
            return Err(fail("is too long"));
        }
        if text.chars().any(|one| one.is_whitespace() || one.is_control()) {
            return Err(fail("has a space or a control character in it"));
        }
        let mut tokens = text.split('.').peekable();
        while let Some(token) = tokens.next() {
            if token.is_empty() {
                return Err(fail("has an empty token"));
            }
            if token == REST && tokens.peek().is_some() {
                return Err(fail("continues after >"));
            }
        }
        Ok(Self(Arc::from(text)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn tokens(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// Whether the pattern matches `subject`, in which `*` and `>` are ordinary characters.
    pub fn matches(&self, subject: &str) -> bool {
        let mut subject = subject.split('.');
        for token in self.tokens() {
            match (token, subject.next()) {
                (_, None) => return false,
                (REST, Some(_)) => return true,
                (ONE, Some(_)) => {}
                (token, Some(found)) if token == found => {}
                _ => return false,
            }
        }
        subject.next().is_none()
    }

    /// Whether this pattern matches every subject that `other` matches.
    pub fn contains(&self, other: &Self) -> bool {
        let mut others = other.tokens();
        for token in self.tokens() {
            match (token, others.next()) {
                (_, None) => return false,
                (REST, Some(_)) => return true,
                (_, Some(REST)) => return false,
                (ONE, Some(_)) => {}
                (token, Some(found)) if token == found => {}
                _ => return false,
            }
        }
        others.next().is_none()
    }

    /// The subjects that both patterns match. One pattern can always express them.
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let (mut ours, mut theirs) = (self.tokens(), other.tokens());
        let mut common: Vec<&str> = Vec::new();
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return Some(Self(common.join(".").into())),
                (None, Some(_)) | (Some(_), None) => return None,
                (Some(REST), Some(token)) => return Some(Self::joined(common, token, theirs)),
                (Some(token), Some(REST)) => return Some(Self::joined(common, token, ours)),
                (Some(ONE), Some(token)) | (Some(token), Some(ONE)) => common.push(token),
                (Some(token), Some(found)) if token == found => common.push(token),
                _ => return None,
            }
        }
    }

    fn joined<'a>(mut tokens: Vec<&'a str>, next: &'a str, rest: impl Iterator<Item = &'a str>) -> Self {
        tokens.push(next);
        tokens.extend(rest);
        Self(tokens.join(".").into())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::str::FromStr for Pattern {
    type Err = PatternError;
    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;
    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::new(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0.as_ref().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    /// The rules of nats-server: the cases of its own tests for literal subjects, and cases that implementations often
    /// get wrong.
    #[test]
    fn patterns_match_as_in_nats() {
        for (subject, text, expected) in [
            ("foo", "foo", true),
            ("foo", "bar", false),
            ("foo", "*", true),
            ("foo", ">", true),
            ("foo.bar", ">", true),
            ("foo.bar", "foo.>", true),
            ("foo.bar", "bar.>", false),
            ("stats.test.22", "stats.>", true),
            ("stats.test.22", "stats.*.*", true),
            ("foo.bar", "foo", false),
            ("stats.test.foos", "stats.test.foos", true),
            ("stats.test.foos", "stats.test.foo", false),
            ("stats.test", "stats.test.*", false),
            ("stats.test.foos", "stats.*", false),
            ("stats.test.foos", "stats.*.*.foos", false),
            // A wildcard next to other characters is an ordinary character.
            ("*bar", "*bar", true),
            ("foobar", "*bar", false),
            ("foo*", "foo*", true),
            ("foobar", "foo*", false),
            ("foo*bar", "foo*bar", true),
            ("foo.***.bar", "foo.***.bar", true),
            ("foo.a.bar", "foo.***.bar", false),
            (">bar", ">bar", true),
            ("foo>", "foo>", true),
            ("foo.bar", "foo>", false),
            ("foo.>>>.bar", "foo.>>>.bar", true),
            // `>` needs at least one token, `*` takes exactly one.
            ("foo", "foo.>", false),
            ("foo.bar.baz.qux", "foo.>", true),
            ("foo.bar.baz", "foo.*", false),
            ("foo.bar.baz", "*.bar.*", true),
            ("foo.bar.baz", "*.*.>", true),
            ("foo.bar", "*.*.>", false),
            ("Foo", "foo", false),
            // `>` also matches subjects that begin with a dollar sign.
            ("$host.metrics", ">", true),
            ("$host.metrics", "*.metrics", true),
        ] {
            assert_eq!(pattern(text).matches(subject), expected, "{text} on {subject}");
        }
    }

    #[test]
    fn an_invalid_pattern_is_refused() {
        let long = "a.".repeat(PATTERN_BYTES_MAX);
        for text in ["", ".", ".foo", "foo.", "foo..bar", "foo.>.bar", ">.foo", "foo bar", "foo\t", "foo\0", &long] {
            let error = Pattern::new(text).unwrap_err().to_string();
            assert!(error.contains("as in acme.cmd.orders.>") && error.len() < 400, "{error}");
        }
    }

    #[test]
    fn containing_is_matching_whatever_the_other_matches() {
        for (text, other, expected) in [
            ("foo.>", "foo.bar", true),
            ("foo.>", "foo.*", true),
            ("foo.>", "foo.*.>", true),
            ("foo.>", "foo.>", true),
            ("foo.>", ">", false),
            ("foo.>", "foo", false),
            ("foo.>", "*.bar", false),
            ("foo.*", "foo.>", false),
            ("foo.*", "foo.bar", true),
            ("foo.*", "foo.bar.baz", false),
            ("*.*", "foo.*", true),
            ("*.>", ">", false),
            (">", "*", true),
            ("foo", "*", false),
        ] {
            assert_eq!(pattern(text).contains(&pattern(other)), expected, "{text} of {other}");
        }
    }

    #[test]
    fn an_intersection_is_what_both_match() {
        for (one, other, expected) in [
            ("foo.*", "*.bar", Some("foo.bar")),
            ("foo.>", "*.bar.*", Some("foo.bar.*")),
            ("foo.>", "foo.*.bar.>", Some("foo.*.bar.>")),
            ("foo.*", "foo.*.bar.>", None),
            ("foo.bar.>", "*.bar.foo", Some("foo.bar.foo")),
            (">", ">", Some(">")),
            ("foo.>", "foo", None),
            ("foo", "bar", None),
            ("*", "foo", Some("foo")),
            ("acme.cmd.>", "acme.*.*.*.*", Some("acme.cmd.*.*.*")),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                let found = pattern(one).intersection(&pattern(other));
                assert_eq!(found.as_ref().map(Pattern::as_str), expected, "{one} and {other}");
            }
        }
    }

    /// Checks what the three operations promise, for all patterns and subjects of a small alphabet.
    #[test]
    fn the_operations_agree_with_matching() {
        let words = |letters: &[&str]| {
            let mut words: Vec<String> = letters.iter().map(ToString::to_string).collect();
            for _ in 0..2 {
                let longer: Vec<String> = words
                    .iter()
                    .flat_map(|word| letters.iter().map(move |letter| format!("{word}.{letter}")))
                    .collect();
                words.extend(longer);
            }
            words
        };
        let subjects = words(&["a", "b"]);
        let patterns: Vec<Pattern> =
            words(&["a", "b", "*", ">"]).iter().filter_map(|text| Pattern::new(text).ok()).collect();
        assert!(patterns.len() > 50, "{}", patterns.len());
        for one in &patterns {
            for other in &patterns {
                let common = one.intersection(other);
                for subject in &subjects {
                    let both = one.matches(subject) && other.matches(subject);
                    assert_eq!(
                        common.as_ref().is_some_and(|common| common.matches(subject)),
                        both,
                        "{one} {other} {subject}"
                    );
                    if one.contains(other) && other.matches(subject) {
                        assert!(one.matches(subject), "{one} {other} {subject}");
                    }
                }
            }
        }
    }
}
