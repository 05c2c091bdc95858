//! A map by digest, divided into partitions. A map that grows moves all its entries while the writer waits; this way it
//! moves a sixteenth at a time.

use std::collections::HashMap;

use crate::digest_hasher::BuildDigestHasher;

const PARTITIONS: usize = 16;

pub(super) type Partitioned<K, V> = [HashMap<K, V, BuildDigestHasher>; PARTITIONS];

/// The partition that holds a digest. Digests spread evenly over the partitions.
pub(super) fn partition_of(digest: &[u8; 16]) -> usize {
    usize::from(digest[0]) % PARTITIONS
}
