//! Counts how many times each row key has come in one file, in bounded memory.

use std::collections::HashMap;

/// Different keys that are counted. Each takes 17 bytes, and as much again while the table grows.
pub(crate) const KEYS_MAX: usize = 3_500_000;

#[derive(Debug)]
pub(crate) struct Keys {
    /// Counts by the first bytes of the key's digest. They are the same in every run, so a row has the same number in
    /// every run.
    counts: HashMap<u64, u32>,
    keys_max: usize,
    /// Number of rows whose keys were not compared with others.
    pub(crate) uncounted: u64,
}

impl Default for Keys {
    fn default() -> Self {
        Self { counts: HashMap::new(), keys_max: KEYS_MAX, uncounted: 0 }
    }
}

impl Keys {
    /// How many times the key has come, this time included. `None` if too many different keys have come to remember a
    /// new one.
    pub(crate) fn count(&mut self, key: &str) -> Option<u32> {
        let mut first = [0; 8];
        first.copy_from_slice(&blake3::hash(key.as_bytes()).as_bytes()[..8]);
        let short = u64::from_le_bytes(first);
        if let Some(count) = self.counts.get_mut(&short) {
            *count = count.saturating_add(1);
            return Some(*count);
        }
        if self.counts.len() == self.keys_max {
            self.uncounted += 1;
            return None;
        }
        self.counts.insert(short, 1);
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_up_to_a_bound() {
        let mut keys = Keys { keys_max: 2, ..Keys::default() };
        let counted: Vec<_> = ["a", "b", "a", "c", "b", "a"].iter().map(|key| keys.count(key)).collect();
        assert_eq!(counted, [Some(1), Some(1), Some(2), None, Some(2), Some(3)]);
        assert_eq!(keys.uncounted, 1);
    }
}
