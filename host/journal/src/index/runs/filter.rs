//! Detects most keys that are not in a run without reading the run.
//!
//! A split block Bloom filter, as specified by Apache Parquet (github.com/apache/parquet-format, BloomFilter.md; after
//! Putze, Sanders and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007). A key sets one bit in each of
//! the eight words of one block, so a lookup touches a single cache line.

use xxhash_rust::xxh3::xxh3_64;

/// Bits per key. With 12, about one in two hundred absent keys costs a read in vain.
const BITS_PER_KEY: usize = 12;
const WORDS: usize = 8;
const BLOCK_BYTES: usize = WORDS * size_of::<u32>();
/// The salts of the specification.
const SALTS: [u32; WORDS] =
    [0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    blocks: Vec<[u32; WORDS]>,
}

impl Filter {
    /// An empty filter with room for `keys` keys.
    pub(super) fn new(keys: usize) -> Self {
        let blocks = (keys * BITS_PER_KEY).div_ceil(8 * BLOCK_BYTES).max(1);
        Self { blocks: vec![[0; WORDS]; blocks] }
    }

    pub(super) fn add(&mut self, key: &[u8]) {
        let (block, bits) = self.bits_of(key);
        for (word, bit) in self.blocks[block].iter_mut().zip(bits) {
            *word |= bit;
        }
    }

    /// Whether the key may have been added. If this returns `false`, it was not.
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        let (block, bits) = self.bits_of(key);
        self.blocks[block].iter().zip(bits).all(|(word, bit)| word & bit != 0)
    }

    /// The block of a key, and the bit that it sets in each word.
    fn bits_of(&self, key: &[u8]) -> (usize, [u32; WORDS]) {
        let hash = xxh3_64(key);
        let block = ((hash >> 32) * self.blocks.len() as u64) >> 32;
        (block as usize, SALTS.map(|salt| 1 << ((hash as u32).wrapping_mul(salt) >> 27)))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.blocks.as_flattened().iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        if blocks.is_empty() || !rest.is_empty() {
            return None;
        }
        let read = |block: &[u8; BLOCK_BYTES]| {
            let (words, _) = block.as_chunks::<4>();
            std::array::from_fn(|word| u32::from_le_bytes(words[word]))
        };
        Some(Self { blocks: blocks.iter().map(read).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u32 = 10_000;

    fn filled() -> Filter {
        let mut filter = Filter::new(KEYS as usize);
        (0..KEYS).for_each(|key| filter.add(&key.to_be_bytes()));
        filter
    }

    #[test]
    fn added_keys_are_found_and_few_others() {
        let filter = filled();
        assert!((0..KEYS).all(|key| filter.may_hold(&key.to_be_bytes())));
        let wrong = (KEYS..11 * KEYS).filter(|key| filter.may_hold(&key.to_be_bytes())).count();
        assert!(wrong < 1_000, "{wrong} of 100,000");
    }

    #[test]
    fn a_filter_is_read_as_it_was_written() {
        let filter = filled();
        assert_eq!(Filter::read(&filter.to_bytes()), Some(filter.clone()));
        assert_eq!(Filter::read(&filter.to_bytes()[1..]), None);
        assert_eq!(Filter::read(&[]), None);
    }

    #[test]
    fn an_empty_filter_holds_nothing() {
        assert!(!Filter::new(0).may_hold(b"key"));
    }
}
