//! Text with placeholders for values: `{actor} moved {address.city}`. `{{` and `}}` stand for braces.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::path::{Path, PathError};
use super::source::Source;

/// Maximum length of a text in bytes, before its placeholders are filled.
const TEXT_BYTES_MAX: usize = 1_024;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text {
    written: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Words(String),
    Value(Path),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("the text has {0} bytes, and {TEXT_BYTES_MAX} are allowed")]
    TooLong(usize),
    #[error("text {0:?} has a brace without its counterpart: write {{path}} for a value, and {{{{ or }}}} for a brace")]
    Brace(String),
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Text {
    pub fn new(written: &str) -> Result<Self, TextError> {
        if written.len() > TEXT_BYTES_MAX {
            return Err(TextError::TooLong(written.len()));
        }
        let brace = || TextError::Brace(written.chars().take(80).collect());
        let (mut pieces, mut words) = (Vec::new(), String::new());
        let mut rest = written;
        while let Some(at) = rest.find(['{', '}']) {
            words.push_str(&rest[..at]);
            let opening = &rest[at..];
            rest = if let Some(after) = opening.strip_prefix("{{") {
                words.push('{');
                after
            } else if let Some(after) = opening.strip_prefix("}}") {
                words.push('}');
                after
            } else {
                let inside = opening.strip_prefix('{').ok_or_else(brace)?;
                let (path, after) = inside.split_once('}').ok_or_else(brace)?;
                if !words.is_empty() {
                    pieces.push(Piece::Words(std::mem::take(&mut words)));
                }
                pieces.push(Piece::Value(Path::new(path)?));
                after
            };
        }
        words.push_str(rest);
        if !words.is_empty() {
            pieces.push(Piece::Words(words));
        }
        Ok(Self { written: written.to_owned(), pieces })
    }

    /// The text with its placeholders filled: a string without quotes, any other value as JSON, a missing value as
    /// nothing. `None` if it would exceed `bytes_max` bytes.
    pub(super) fn filled(&self, source: &Source<'_>, bytes_max: usize) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Words(words) => filled.push_str(words),
                Piece::Value(path) => {
                    if let Some(json) = path.find(source) {
                        match serde_json::from_str::<String>(&json) {
                            Ok(text) => filled.push_str(&text),
                            Err(_) => filled.push_str(&json),
                        }
                    }
                }
            }
            if filled.len() > bytes_max {
                return None;
            }
        }
        Some(filled)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl TryFrom<String> for Text {
    type Error = TextError;
    fn try_from(text: String) -> Result<Self, TextError> {
        Self::new(&text)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_text_is_refused_with_the_reason() {
        for (text, expected) in [
            ("{", "a brace without"),
            ("a } b", "a brace without"),
            ("{a", "a brace without"),
            ("{}", "no path"),
            ("{a..b}", "no path"),
            ("{$unknown}", "$actor"),
            (&"x".repeat(1_025), "1025 bytes"),
        ] {
            let error = Text::new(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        for text in ["", "plain", "{a}{b.0}", "{{a}}", "}}{{", "{$actor}"] {
            assert_eq!(Text::new(text).unwrap().to_string(), text);
        }
    }
}
