//! Converts the text of a cell to the JSON value that the map asks for. Never guesses a type.

use serde_json::Value;

use crate::number::{Decimal, integer, number};
use crate::refusal::shown;
use crate::time::TimeForm;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Text,
    Integer(Decimal),
    Number(Decimal),
    Boolean,
    Time(TimeForm),
}

impl Kind {
    /// The error is the detail of a refusal; [`Kind::what`] completes its reason.
    pub(crate) fn read(&self, text: &str) -> Result<Value, String> {
        let trimmed = text.trim();
        match self {
            Self::Text => Ok(Value::from(text)),
            Self::Integer(decimal) => integer(trimmed, *decimal).ok_or_else(|| shown(text)),
            Self::Number(decimal) => number(trimmed, *decimal).ok_or_else(|| shown(text)),
            Self::Boolean => boolean(trimmed).ok_or_else(|| shown(text)),
            Self::Time(form) => form.read(text).map(Value::from),
        }
    }

    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer(_) => "a whole number between -2^63 and 2^64",
            Self::Number(Decimal::Point) => "a number with a decimal point",
            Self::Number(Decimal::Comma) => "a number with a decimal comma",
            Self::Boolean => "one of true, false, yes, no, 1, 0",
            Self::Time(_) => "a time",
        }
    }
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

    const INTEGER: Kind = Kind::Integer(Decimal::Point);
    const NUMBER: Kind = Kind::Number(Decimal::Point);
    const WITH_COMMA: Kind = Kind::Number(Decimal::Comma);

    #[test]
    fn cells_become_values() {
        for (kind, text, value) in [
            (Kind::Text, " as it is ", json!(" as it is ")),
            (INTEGER, " -42 ", json!(-42)),
            (INTEGER, "18446744073709551615", json!(u64::MAX)),
            (INTEGER, "0.0", json!(0)),
            (INTEGER, "-7.000", json!(-7)),
            (INTEGER, "7.", json!(7)),
            (Kind::Integer(Decimal::Comma), "12,00", json!(12)),
            (NUMBER, "42", json!(42)),
            (NUMBER, "1.50", json!(1.5)),
            (NUMBER, "1e3", json!(1000.0)),
            (WITH_COMMA, "-1,50", json!(-1.5)),
            (WITH_COMMA, "7", json!(7)),
            (Kind::Boolean, "Yes", json!(true)),
            (Kind::Boolean, "0", json!(false)),
        ] {
            assert_eq!(kind.read(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_does_not_fit_is_shown() {
        for (kind, text) in [
            (INTEGER, "1.5"),
            (INTEGER, ".0"),
            (INTEGER, "1.0.0"),
            (INTEGER, "18446744073709551616"),
            (INTEGER, ""),
            (NUMBER, "NaN"),
            (NUMBER, "inf"),
            (NUMBER, "1e999"),
            (NUMBER, "1,5"),
            (WITH_COMMA, "1.5"),
            (WITH_COMMA, "1.000,5"),
            (WITH_COMMA, "1,5,0"),
            (Kind::Boolean, "maybe"),
        ] {
            assert_eq!(kind.read(text), Err(format!("{text:?}")), "{text}");
        }
    }
}
