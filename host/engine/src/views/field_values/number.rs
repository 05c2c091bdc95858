//! JSON numbers of any size as they are written, compared exactly and without rounding. Pure.

/// The number `0.digits × 10^exponent`; zero has no digits.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::views) struct Number {
    is_negative: bool,
    /// Digits without zeros at either end.
    digits: Vec<u8>,
    exponent: i64,
}

impl Number {
    /// Parses a JSON number; `None` for other texts.
    pub(in crate::views) fn parse(text: &str) -> Option<Self> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) => (mantissa, power_of(power)?),
            None => (text, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty()
            || !are_digits(whole)
            || !are_digits(fraction)
            || (whole.len() > 1 && whole.starts_with('0'))
        {
            return None;
        }
        let all: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let zeros = all.iter().take_while(|digit| **digit == b'0').count();
        let Some(last) = all.iter().rposition(|digit| *digit != b'0') else {
            return Some(Self { is_negative: false, digits: Vec::new(), exponent: 0 });
        };
        let exponent = power.saturating_add(whole.len() as i64).saturating_sub(zeros as i64);
        Some(Self { is_negative, digits: all[zeros..=last].to_vec(), exponent })
    }

    /// Bytes that sort like the numbers.
    pub(super) fn order_key(&self) -> Vec<u8> {
        if self.digits.is_empty() {
            return vec![1];
        }
        // Shifted, so that negative exponents come first.
        let exponent = (self.exponent as u64) ^ (1 << 63);
        let mut size: Vec<u8> = exponent.to_be_bytes().into_iter().chain(self.digits.iter().copied()).collect();
        if !self.is_negative {
            return [vec![2], size].concat();
        }
        // Inverted for negative numbers. The end sorts after every further digit.
        size.iter_mut().for_each(|byte| *byte = !*byte);
        [vec![0], size, vec![0xff]].concat()
    }
}

/// The exponent. One that is too large for 64 bits counts as the largest.
fn power_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let bound = if text.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 };
    Some(text.parse::<i64>().unwrap_or(bound).clamp(i64::MIN / 4, i64::MAX / 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_any_size_are_in_order() {
        let ascending = [
            "-1e400",
            "-18446744073709551616",
            "-18446744073709551615",
            "-12",
            "-1.2",
            "-1.11",
            "-1",
            "-1e-7",
            "0",
            "1e-400",
            "1e-7",
            "0.1",
            "0.30000000000000004",
            "1",
            "1.05",
            "2",
            "10",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "1e400",
            "1e99999999999999999999",
        ];
        let keys: Vec<_> = ascending.iter().map(|text| Number::parse(text).expect(text).order_key()).collect();
        for (index, pair) in keys.windows(2).enumerate() {
            assert!(pair[0] < pair[1], "{} and {}", ascending[index], ascending[index + 1]);
        }
    }

    #[test]
    fn one_number_can_be_written_in_many_ways() {
        for (one, other) in [("1e-7", "0.0000001"), ("-0", "0.0"), ("1.50", "1.5"), ("120", "1.2E+2"), ("0e5", "0")] {
            assert_eq!(Number::parse(one), Number::parse(other), "{one}, {other}");
        }
        assert_ne!(Number::parse("0.3"), Number::parse("0.30000000000000004"));
    }

    #[test]
    fn texts_that_are_no_numbers_are_refused() {
        for text in ["", "-", ".5", "1.", "01", "1e", "1e+", "+1", "0x1", "1 ", "nan", "١"] {
            assert_eq!(Number::parse(text), None, "{text:?}");
        }
    }
}
