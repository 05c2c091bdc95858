//! Chooses the aggregate of each command. The sequence is the same in every run.

use std::ops::Range;

use clap::ValueEnum;
use serde::Serialize;

/// Exponent of Zipf's law: rank `n` is drawn in proportion to `1 / n^0.99`, as in the YCSB benchmarks.
const ZIPF_EXPONENT: f64 = 0.99;

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Spread {
    /// Each as often as the others, in turn.
    Uniform,
    /// A few very often, most hardly ever.
    Zipf,
    /// One aggregate for all commands.
    One,
}

/// Draws aggregates, by number.
pub(crate) enum Draw {
    InTurn {
        next: usize,
        of: Range<usize>,
    },
    /// Each aggregate `each` times before the next one.
    OneAfterTheOther {
        drawn: usize,
        each: usize,
        aggregates: usize,
    },
    ByRank {
        sums: Vec<f64>,
        random: u64,
    },
    Always,
}

impl Draw {
    pub(crate) fn new(spread: Spread, aggregates: usize) -> Self {
        match spread {
            Spread::Uniform => Self::in_turn(0..aggregates),
            Spread::Zipf => Self::ByRank { sums: sums_by_rank(aggregates), random: 0x9e37_79b9_7f4a_7c15 },
            Spread::One => Self::Always,
        }
    }

    pub(crate) fn in_turn(of: Range<usize>) -> Self {
        Self::InTurn { next: of.start, of }
    }

    pub(crate) fn one_after_the_other(aggregates: usize, each: usize) -> Self {
        Self::OneAfterTheOther { drawn: 0, each, aggregates }
    }

    pub(crate) fn next(&mut self) -> usize {
        match self {
            Self::InTurn { next, of } => {
                let drawn = *next;
                *next = if drawn + 1 == of.end { of.start } else { drawn + 1 };
                drawn
            }
            Self::OneAfterTheOther { drawn, each, aggregates } => {
                let next = *drawn / *each % *aggregates;
                *drawn += 1;
                next
            }
            Self::ByRank { sums, random } => {
                let total = sums.last().copied().unwrap_or_default();
                let point = xorshift(random) as f64 / u64::MAX as f64 * total;
                sums.partition_point(|sum| *sum < point).min(sums.len() - 1)
            }
            Self::Always => 0,
        }
    }
}

fn sums_by_rank(aggregates: usize) -> Vec<f64> {
    let weights = (1..=aggregates).map(|rank| (rank as f64).powf(-ZIPF_EXPONENT));
    weights
        .scan(0.0, |sum, weight| {
            Some({
                *sum += weight;
                *sum
            })
        })
        .collect()
}

fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(spread: Spread) -> Vec<usize> {
        let (mut draw, mut counts) = (Draw::new(spread, 100), vec![0; 100]);
        for _ in 0..100_000 {
            counts[draw.next()] += 1;
        }
        counts
    }

    #[test]
    fn turns_go_round() {
        let draw = |mut draw: Draw| std::array::from_fn::<_, 5, _>(|_| draw.next());
        assert_eq!(draw(Draw::in_turn(3..6)), [3, 4, 5, 3, 4]);
        assert_eq!(draw(Draw::one_after_the_other(2, 2)), [0, 0, 1, 1, 0]);
    }

    #[test]
    fn each_spread_has_its_frequencies() {
        assert_eq!(counts(Spread::Uniform), [1_000; 100]);
        assert_eq!(counts(Spread::One)[0], 100_000);
        let zipf = counts(Spread::Zipf);
        // The first rank gets 1 of the sum over all ranks, which is about 5.2, and the tenth gets a tenth of that.
        assert!((18_000..21_000).contains(&zipf[0]) && (1_700..2_300).contains(&zipf[9]), "{zipf:?}");
        assert!(zipf.iter().all(|count| *count > 0));
    }
}
