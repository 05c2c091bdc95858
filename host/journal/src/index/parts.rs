//! A map by digest, divided into parts. A map that grows moves all its entries while the writer waits; this way it
//! moves a sixteenth at a time.

use std::collections::HashMap;

use crate::BuildDigestHasher;

const PARTS: usize = 16;

pub(super) type Parts<K, V> = [HashMap<K, V, BuildDigestHasher>; PARTS];

/// The part that holds a digest. Digests spread evenly over the parts.
pub(super) fn part_of(digest: &[u8; 16]) -> usize {
    usize::from(digest[0]) % PARTS
}
