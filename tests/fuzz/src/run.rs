//! Runs one case after another, each with a seed of its own, and counts which inputs the parser accepted.

use std::str::FromStr;
use std::time::{Duration, Instant};

use fastrand::Rng;

const SECONDS: &str = "POLDER_FUZZ_SECONDS";
const SEED: &str = "POLDER_FUZZ_SEED";
const SECONDS_DEFAULT: u64 = 2;
const SEED_DEFAULT: u64 = 1;

/// The number of cases of a run, and how many of their inputs were accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a target checks that inputs were accepted and refused"]
pub struct Counts {
    pub cases: u64,
    pub accepted: u64,
}

impl Counts {
    pub fn refused(self) -> u64 {
        self.cases - self.accepted
    }

    /// Checks that both outcomes occurred: the damage reaches the code behind the parser's first check.
    ///
    /// # Panics
    /// Panics if all inputs were accepted, or all refused.
    #[track_caller]
    pub fn assert_both(self) {
        let Self { cases, accepted } = self;
        assert!(accepted > 0 && self.refused() > 0, "{accepted} of {cases} inputs were accepted");
    }
}

/// Runs `case` until the time is over, and at least `cases_min` times, so that a busy machine also checks something.
/// `case` returns whether the parser accepted the input.
///
/// # Panics
/// Panics as `case` does, after the seed is printed.
pub fn run(cases_min: u64, case: impl FnMut(&mut Rng) -> bool) -> Counts {
    let duration = Duration::from_secs(variable(SECONDS).unwrap_or(SECONDS_DEFAULT));
    run_for(duration, variable(SEED).unwrap_or(SEED_DEFAULT), cases_min, case)
}

fn run_for(duration: Duration, seed: u64, cases_min: u64, mut case: impl FnMut(&mut Rng) -> bool) -> Counts {
    let begin = Instant::now();
    let mut counts = Counts { cases: 0, accepted: 0 };
    while counts.cases < cases_min || begin.elapsed() < duration {
        let seed = SeedOfPanic(seed.wrapping_add(counts.cases));
        let is_accepted = case(&mut Rng::with_seed(seed.0));
        counts.cases += 1;
        counts.accepted += u64::from(is_accepted);
    }
    println!("{} cases from seed {seed}: {} accepted, {} refused", counts.cases, counts.accepted, counts.refused());
    counts
}

/// Prints the seed when the case panics.
struct SeedOfPanic(u64);

impl Drop for SeedOfPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{SEED}={}", self.0);
        }
    }
}

/// # Panics
/// Panics if the variable is set and is no number.
fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}; a whole number from 0 would be right")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_has_its_own_seed_and_the_same_in_each_run() {
        let numbers = |seed, cases| {
            let mut numbers = Vec::new();
            let counts = run_for(Duration::ZERO, seed, cases, |random| {
                numbers.push(random.u64(..));
                numbers.len() % 3 == 0
            });
            assert_eq!(counts, Counts { cases, accepted: cases / 3 });
            numbers
        };
        let all = numbers(1, 100);
        assert_eq!(all, numbers(1, 100));
        assert_eq!(all[40..], numbers(41, 60), "a run with the seed of a case begins with this case");
        let mut different = all.clone();
        different.sort_unstable();
        different.dedup();
        assert_eq!(different.len(), all.len());
        numbers(u64::MAX, 2);
    }

    #[test]
    fn a_run_lasts_as_long_as_its_time() {
        let duration = Duration::from_millis(20);
        let begin = Instant::now();
        run_for(duration, 1, 1, |random| random.bool()).assert_both();
        assert!(begin.elapsed() >= duration);
    }

    #[test]
    #[should_panic(expected = "3 of 3 inputs were accepted")]
    fn a_run_with_one_outcome_is_reported() {
        run_for(Duration::ZERO, 1, 3, |_| true).assert_both();
    }
}
