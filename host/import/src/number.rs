//! Parses the numbers of cells. Never guesses their notation.

use serde_json::Value;

/// The separator before the fraction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Decimal {
    #[default]
    Point,
    Comma,
}

impl Decimal {
    fn mark(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

/// Parses a whole number. A fraction of zeros is allowed, because programs with only one kind of number write `3.0`.
pub(crate) fn integer(text: &str, decimal: Decimal) -> Option<Value> {
    let whole = match text.split_once(decimal.mark()) {
        Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole,
        Some(_) => return None,
        None => text,
    };
    whole_number(whole)
}

fn whole_number(text: &str) -> Option<Value> {
    text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok()
}

/// Parses a number. Refuses NaN and the infinities, which JSON does not have.
pub(crate) fn number(text: &str, decimal: Decimal) -> Option<Value> {
    if let Some(whole) = whole_number(text) {
        return Some(whole);
    }
    let read = match decimal {
        Decimal::Point => text.parse(),
        Decimal::Comma if text.contains('.') => return None,
        Decimal::Comma => text.replacen(',', ".", 1).parse(),
    };
    serde_json::Number::from_f64(read.ok()?).map(Value::from)
}
