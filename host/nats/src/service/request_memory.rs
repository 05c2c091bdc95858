//! Reserves memory for requests before they are taken on: from the host's budget, and from a share of it, so that the
//! requests of one tenant leave memory to those of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use polder_core::{MemoryBudget, MemoryExhausted, MemoryPurpose, MemoryReservation};

/// What a request takes beside its message until it is answered, in bytes.
const REQUEST_BYTES: u64 = 2 * 1024;

/// Why there is no memory for a request. It can be sent again after others were answered.
#[derive(Debug, PartialEq, Eq)]
pub enum NoMemory {
    Host(MemoryExhausted),
    /// The requests that have this share hold `used` bytes.
    Share {
        used: u64,
        bytes_max: u64,
    },
}

/// The memory for the requests of some subscriptions. Clones share it.
#[derive(Clone)]
pub struct RequestMemory {
    host: MemoryBudget,
    share: Arc<Share>,
}

struct Share {
    bytes_max: u64,
    used: AtomicU64,
}

/// The memory of one request. Dropping it releases the bytes.
pub(super) struct Held {
    share: Arc<Share>,
    host: MemoryReservation,
}

impl RequestMemory {
    /// The requests hold at most `share_bytes_max` bytes of the host's memory.
    pub fn new(host: &MemoryBudget, share_bytes_max: u64) -> Self {
        let share = Share { bytes_max: share_bytes_max, used: AtomicU64::new(0) };
        Self { host: host.clone(), share: Arc::new(share) }
    }

    /// Reserves the memory of a request with a message of this size.
    pub(super) fn reserve(&self, message_bytes: usize) -> Result<Held, NoMemory> {
        let bytes = REQUEST_BYTES.saturating_add(message_bytes as u64);
        let Share { bytes_max, used } = &*self.share;
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| sum <= bytes_max);
        used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map_err(|used| NoMemory::Share { used, bytes_max: *bytes_max })?;
        match self.host.try_reserve(MemoryPurpose::RequestBodies, bytes) {
            Ok(host) => Ok(Held { share: Arc::clone(&self.share), host }),
            Err(exhausted) => {
                used.fetch_sub(bytes, Ordering::Relaxed);
                Err(NoMemory::Host(exhausted))
            }
        }
    }
}

impl Held {
    /// Releases the memory of the message, which was read. The request itself is still in progress.
    pub(super) fn release_message(&mut self) {
        let before = self.host.bytes();
        self.host.shrink_to(REQUEST_BYTES);
        self.share.used.fetch_sub(before - self.host.bytes(), Ordering::Relaxed);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.share.used.fetch_sub(self.host.bytes(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE_BYTES: usize = 8 * 1024;
    const BYTES: u64 = MESSAGE_BYTES as u64 + REQUEST_BYTES;

    #[test]
    fn one_share_leaves_memory_to_the_other() {
        let host = MemoryBudget::new(100 * BYTES);
        let (one, other) = (RequestMemory::new(&host, 2 * BYTES), RequestMemory::new(&host, 2 * BYTES));
        let held: Vec<_> = (0..2).map(|_| one.reserve(MESSAGE_BYTES).ok().unwrap()).collect();
        let refused = one.clone().reserve(0).err();
        assert_eq!(refused, Some(NoMemory::Share { used: 2 * BYTES, bytes_max: 2 * BYTES }));
        assert!(other.reserve(MESSAGE_BYTES).is_ok());
        assert_eq!(host.used_by(MemoryPurpose::RequestBodies), 2 * BYTES);
        drop(held);
        assert!(one.reserve(MESSAGE_BYTES).is_ok());
        assert_eq!((host.used(), one.share.used.load(Ordering::Relaxed)), (0, 0));
    }

    #[test]
    fn a_request_that_the_host_has_no_memory_for_takes_none_of_the_share() {
        let host = MemoryBudget::new(20 * BYTES);
        let taken = host.try_reserve(MemoryPurpose::Reads, 20 * BYTES).unwrap();
        let requests = RequestMemory::new(&host, 2 * BYTES);
        assert!(matches!(requests.reserve(MESSAGE_BYTES), Err(NoMemory::Host(_))));
        assert!(matches!(requests.reserve(usize::MAX), Err(NoMemory::Share { used: 0, .. })));
        drop(taken);
        assert!(requests.reserve(MESSAGE_BYTES).is_ok());
    }

    #[test]
    fn a_message_that_was_read_is_released_before_the_request_ends() {
        let host = MemoryBudget::new(100 * BYTES);
        let requests = RequestMemory::new(&host, 50 * BYTES);
        let mut held = requests.reserve(MESSAGE_BYTES).ok().unwrap();
        held.release_message();
        held.release_message();
        assert_eq!((host.used(), requests.share.used.load(Ordering::Relaxed)), (REQUEST_BYTES, REQUEST_BYTES));
        drop(held);
        assert_eq!((host.used(), requests.share.used.load(Ordering::Relaxed)), (0, 0));
    }
}
