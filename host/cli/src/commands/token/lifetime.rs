//! Parses a lifetime as people type it: `30d`, `12h`, `90m`, `45s`.

use std::str::FromStr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) seconds: u64,
}

#[derive(Debug, thiserror::Error)]
#[error("give a number and a unit: 30d, 12h, 90m or 45s")]
pub(crate) struct LifetimeError;

impl FromStr for Lifetime {
    type Err = LifetimeError;

    fn from_str(text: &str) -> Result<Self, LifetimeError> {
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(LifetimeError)?;
        let unit_s = match unit {
            "d" => 24 * 3_600,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            _ => return Err(LifetimeError),
        };
        let number: u64 = number.parse().map_err(|_| LifetimeError)?;
        number.checked_mul(unit_s).map(|seconds| Self { seconds }).ok_or(LifetimeError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        let seconds = |text: &str| text.parse::<Lifetime>().ok().map(|lifetime| lifetime.seconds);
        for (text, expected) in [("30d", 2_592_000), ("12h", 43_200), ("90m", 5_400), ("45s", 45)] {
            assert_eq!(seconds(text), Some(expected), "{text}");
        }
        for text in ["", "d", "30", "30 d", "-1d", "1.5h", "30w", "9999999999999999999d", "18446744073709551615d", "3ü"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
