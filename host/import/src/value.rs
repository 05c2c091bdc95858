//! Turns the text of a cell into the JSON value the map asks for. Never guesses a type.

use serde_json::Value;

use crate::refusal::shown;
use crate::time::TimeForm;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Time(TimeForm),
}

impl Kind {
    /// The error is the detail of a refusal; [`Kind::what`] completes its reason.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        let trimmed = text.trim();
        match self {
            Self::Text => Ok(Value::from(text)),
            Self::Integer => integer(trimmed).ok_or_else(|| shown(text)),
            Self::Number => number(trimmed).ok_or_else(|| shown(text)),
            Self::Boolean => boolean(trimmed).ok_or_else(|| shown(text)),
            Self::Time(form) => form.read(text).map(Value::from),
        }
    }

    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "a whole number between -2^63 and 2^64",
            Self::Number => "a number with a decimal point",
            Self::Boolean => "one of true, false, yes, no, 1, 0",
            Self::Time(_) => "a time",
        }
    }
}

fn integer(text: &str) -> Option<Value> {
    text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok()
}

/// Refuses what JSON has no number for: NaN and the infinities.
fn number(text: &str) -> Option<Value> {
    integer(text).or_else(|| serde_json::Number::from_f64(text.parse().ok()?).map(Value::from))
}

fn boolean(text: &str) -> Option<Value> {
    let is = |words: [&str; 3]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match text {
        _ if is(["true", "yes", "1"]) => Some(Value::from(true)),
        _ if is(["false", "no", "0"]) => Some(Value::from(false)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_become_values() {
        for (kind, text, value) in [
            (Kind::Text, " as it is ", json!(" as it is ")),
            (Kind::Integer, " -42 ", json!(-42)),
            (Kind::Integer, "18446744073709551615", json!(u64::MAX)),
            (Kind::Number, "42", json!(42)),
            (Kind::Number, "1.50", json!(1.5)),
            (Kind::Number, "1e3", json!(1000.0)),
            (Kind::Boolean, "Yes", json!(true)),
            (Kind::Boolean, "0", json!(false)),
        ] {
            assert_eq!(kind.read(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_shown() {
        for (kind, text) in [
            (Kind::Integer, "1.5"),
            (Kind::Integer, "18446744073709551616"),
            (Kind::Integer, ""),
            (Kind::Number, "NaN"),
            (Kind::Number, "inf"),
            (Kind::Number, "1e999"),
            (Kind::Number, "1,5"),
            (Kind::Boolean, "maybe"),
        ] {
            assert_eq!(kind.read(text), Err(format!("{text:?}")), "{text}");
        }
    }
}
