//! A map by digest in many parts. A map that grows moves all that it holds, while the writer waits: this way it is a sixteenth at a time.

use std::collections::HashMap;

use crate::BuildDigestHasher;

const PARTS: usize = 16;

pub(super) type Parts<K, V> = [HashMap<K, V, BuildDigestHasher>; PARTS];

/// Digests spread evenly.
pub(super) fn part_of(digest: &[u8; 16]) -> usize {
    usize::from(digest[0]) % PARTS
}
