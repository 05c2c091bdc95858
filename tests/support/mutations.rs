//! Random changes of valid inputs. `POLDER_FUZZ_CASES` sets the number of cases, and `POLDER_SEED` the seed; both
//! together repeat a failure.

use crate::random::Random;

/// The largest number of changes in one case.
const CHANGES_MAX: u64 = 6;

/// Runs `case` with its number and with its own random numbers.
pub fn random_cases(cases: u64, mut case: impl FnMut(u64, &mut Random)) {
    let number = |name: &str, usual: u64| {
        std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let (seed, cases) = (number("POLDER_SEED", 1), number("POLDER_FUZZ_CASES", cases));
    println!("POLDER_SEED={seed} POLDER_FUZZ_CASES={cases}");
    for index in 0..cases {
        // When a test fails, the last line names the case.
        println!("case {index}");
        case(index, &mut Random::seeded(seed.wrapping_mul(1_000_003).wrapping_add(index)));
    }
}

/// One of `corpus`, cut, flipped, spliced, or with some of `words` inserted.
pub fn mutated(corpus: &[Vec<u8>], words: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.one_of(corpus).clone();
    for _ in 0..=random.below(CHANGES_MAX) {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len() as u64;
        let place = random.below(length) as usize;
        match random.below(8) {
            0 => bytes.truncate(place),
            1 | 2 => bytes[place] ^= 1 << random.below(8),
            3 => bytes[place] = random.number() as u8,
            4 => bytes.insert(place, random.number() as u8),
            5 => {
                let end = place + random.below((length - place as u64).min(64) + 1) as usize;
                bytes.drain(place..end);
            }
            6 => {
                let word = random.one_of(words).clone();
                bytes.splice(place..place, word);
            }
            _ => {
                let other = random.one_of(corpus);
                let from = random.below(other.len() as u64) as usize;
                let end = (from + random.below(256) as usize).min(other.len());
                bytes.splice(place..place, other[from..end].iter().copied());
            }
        }
    }
    bytes
}
