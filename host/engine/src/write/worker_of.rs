//! The worker that an aggregate belongs to. All commands of an aggregate go to the same worker, so they are decided one
//! after another.

use polder_journal::AggregateKey;

pub(super) fn worker_of(key: AggregateKey, worker_count: usize) -> usize {
    // The key is a hash already: any of its bytes are spread evenly.
    let mut head = [0; 8];
    head.copy_from_slice(&key.0[..8]);
    (u64::from_le_bytes(head) % worker_count.max(1) as u64) as usize
}
