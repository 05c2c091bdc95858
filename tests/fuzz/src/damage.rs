//! Damages good inputs: cuts, changes, inserts and repeats bytes.

use fastrand::Rng;

/// The largest number of changes to one input.
const CHANGES_MAX: usize = 6;
/// The largest number of bytes that one change removes or inserts.
const PIECE_BYTES_MAX: usize = 64;
/// One input of so many is left as it is, where a target asks for both kinds.
const UNDAMAGED_ONE_OF: u8 = 8;

/// Good inputs, and words that the parser treats specially.
#[derive(Debug, Clone)]
pub struct Damage {
    good: Vec<Vec<u8>>,
    words: Vec<Vec<u8>>,
}

impl Damage {
    /// # Panics
    /// Panics if there is no good input.
    pub fn new(good: impl IntoIterator<Item = impl Into<Vec<u8>>>, words: &[&str]) -> Self {
        let good: Vec<Vec<u8>> = good.into_iter().map(Into::into).collect();
        assert!(!good.is_empty(), "damage needs a good input");
        Self { good, words: words.iter().map(|word| word.as_bytes().to_vec()).collect() }
    }

    /// A good input, changed at least once.
    pub fn bytes(&self, random: &mut Rng) -> Vec<u8> {
        let mut bytes = one_of(&self.good, random).to_vec();
        for _ in 0..random.usize(1..=CHANGES_MAX) {
            self.change(&mut bytes, random);
        }
        bytes
    }

    /// As [`bytes`](Self::bytes), for parsers of text. Bytes that are not UTF-8 become replacement characters.
    pub fn text(&self, random: &mut Rng) -> String {
        String::from_utf8_lossy(&self.bytes(random)).into_owned()
    }

    /// As [`bytes`](Self::bytes), but some inputs are good ones. For formats that notice every change.
    pub fn some_undamaged(&self, random: &mut Rng) -> Vec<u8> {
        match random.u8(..UNDAMAGED_ONE_OF) {
            0 => one_of(&self.good, random).to_vec(),
            _ => self.bytes(random),
        }
    }

    /// Changes `bytes` once.
    fn change(&self, bytes: &mut Vec<u8>, random: &mut Rng) {
        let at = random.usize(..=bytes.len());
        let end = at + random.usize(..=PIECE_BYTES_MAX.min(bytes.len() - at));
        let near = (at + random.usize(1..=8)).min(bytes.len());
        match random.u8(..10) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..near)),
            2 => drop(bytes.drain(at..end)),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            4 if at < bytes.len() => bytes[at] = random.u8(..),
            5 => bytes.insert(at, random.u8(..)),
            // A number that is too large for its purpose, or 0 in place of a number.
            6 => bytes[at..near].fill(if random.bool() { 0xff } else { 0 }),
            7 => {
                let piece = bytes[at..end].to_vec();
                let to = random.usize(..=bytes.len());
                drop(bytes.splice(to..to, piece));
            }
            8 => {
                let other = one_of(&self.good, random);
                let from = random.usize(..=other.len());
                let to = from + random.usize(..=PIECE_BYTES_MAX.min(other.len() - from));
                drop(bytes.splice(at..at, other[from..to].iter().copied()));
            }
            _ if self.words.is_empty() => bytes.insert(at, random.u8(..)),
            _ => drop(bytes.splice(at..at, one_of(&self.words, random).iter().copied())),
        }
    }
}

fn one_of<'a>(choices: &'a [Vec<u8>], random: &mut Rng) -> &'a [u8] {
    &choices[random.usize(..choices.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_damage() {
        let damage = Damage::new(["one good input", "another"], &["<", ">"]);
        let inputs = |seed| {
            let mut random = Rng::with_seed(seed);
            (0..200).map(|_| damage.bytes(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(8));
    }

    #[test]
    fn inputs_without_bytes_and_without_words_are_damaged_too() {
        let (mut random, mut longest) = (Rng::with_seed(1), 0);
        for _ in 0..2_000 {
            longest = longest.max(Damage::new([""], &[]).bytes(&mut random).len());
        }
        assert!((1..=CHANGES_MAX * PIECE_BYTES_MAX).contains(&longest), "{longest}");
    }

    #[test]
    fn some_inputs_are_good_ones() {
        let damage = Damage::new(["a good input"], &[]);
        let mut random = Rng::with_seed(1);
        let good = (0..2_000).filter(|_| damage.some_undamaged(&mut random) == b"a good input").count();
        assert!((100..500).contains(&good), "{good}");
    }
}
