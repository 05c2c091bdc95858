//! A hasher for keys that are digests already. It mixes in a random number of this process, so that an attacker cannot
//! choose keys that collide.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;

#[derive(Debug, Clone, Copy)]
pub struct DigestHasher(u64);

/// The hasher of maps whose keys are [`AggregateKey`](crate::AggregateKey)s or [`CommandKey`](crate::CommandKey)s.
#[derive(Debug, Clone, Copy, Default)]
pub struct BuildDigestHasher;

static DRAWN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0_u8));

impl BuildHasher for BuildDigestHasher {
    type Hasher = DigestHasher;

    fn build_hasher(&self) -> DigestHasher {
        DigestHasher(*DRAWN)
    }
}

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        for word in bytes.chunks(8) {
            let mut padded = [0; 8];
            padded[..word.len()].copy_from_slice(word);
            let product = u128::from(self.0 ^ u64::from_le_bytes(padded)) * 0x9e37_79b9_7f4a_7c15;
            self.0 = (product >> 64) as u64 ^ product as u64;
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
