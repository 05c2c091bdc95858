//! The memory that the host as a whole may hold for work that outsiders cause. Counts bytes; allocates and frees nothing itself, and never waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The parts of the host that hold memory on behalf of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryPurpose {
    /// Bodies of requests while they arrive, uploads included.
    RequestBodies,
    /// Answers to reads, from the page that is read to the last byte that the client takes.
    Reads,
    /// Linear memory of guest instances.
    Guests,
    /// Child processes that compile components.
    Compilers,
    /// Turns of projections, and the read models' caches.
    Views,
}

impl MemoryPurpose {
    pub const ALL: [Self; 5] = [Self::RequestBodies, Self::Reads, Self::Guests, Self::Compilers, Self::Views];

    pub fn name(self) -> &'static str {
        match self {
            Self::RequestBodies => "request-bodies",
            Self::Reads => "reads",
            Self::Guests => "guests",
            Self::Compilers => "compilers",
            Self::Views => "views",
        }
    }
}

impl fmt::Display for MemoryPurpose {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The host's memory is in use. The work can be tried again once other work has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{purpose} asked for {asked} bytes; the host holds {used} of its memory_bytes_max of {bytes_max} bytes")]
pub struct MemoryExhausted {
    pub purpose: MemoryPurpose,
    pub asked: u64,
    pub used: u64,
    pub bytes_max: u64,
}

/// A bound in bytes that all clones share. Each byte held is counted in exactly one [`MemoryReservation`].
#[derive(Debug, Clone)]
pub struct MemoryBudget {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    bytes_max: u64,
    used: AtomicU64,
    used_by_purpose: [AtomicU64; MemoryPurpose::ALL.len()],
}

impl MemoryBudget {
    pub fn new(bytes_max: u64) -> Self {
        Self { shared: Arc::new(Shared { bytes_max, used: AtomicU64::new(0), used_by_purpose: Default::default() }) }
    }

    pub fn bytes_max(&self) -> u64 {
        self.shared.bytes_max
    }

    pub fn used(&self) -> u64 {
        self.shared.used.load(Ordering::Relaxed)
    }

    pub fn used_by(&self, purpose: MemoryPurpose) -> u64 {
        self.shared.used_by_purpose[purpose as usize].load(Ordering::Relaxed)
    }

    /// Reserves `bytes` until the reservation is dropped.
    ///
    /// # Errors
    /// When fewer than `bytes` are free. Nothing is reserved then.
    pub fn try_reserve(&self, purpose: MemoryPurpose, bytes: u64) -> Result<MemoryReservation, MemoryExhausted> {
        let mut reservation = MemoryReservation { budget: self.clone(), purpose, bytes: 0 };
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    fn take(&self, purpose: MemoryPurpose, bytes: u64) -> Result<(), MemoryExhausted> {
        let bytes_max = self.shared.bytes_max;
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= bytes_max);
        match self.shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(_) => {
                self.shared.used_by_purpose[purpose as usize].fetch_add(bytes, Ordering::Relaxed);
                Ok(())
            }
            Err(used) => Err(MemoryExhausted { purpose, asked: bytes, used, bytes_max }),
        }
    }

    fn give_back(&self, purpose: MemoryPurpose, bytes: u64) {
        let before = self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
        assert!(before >= bytes, "{purpose} gives back {bytes} bytes, but only {before} are in use");
        self.shared.used_by_purpose[purpose as usize].fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// A part of the budget. Dropping it gives the bytes back.
#[derive(Debug)]
pub struct MemoryReservation {
    budget: MemoryBudget,
    purpose: MemoryPurpose,
    bytes: u64,
}

impl MemoryReservation {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds `bytes` to the reservation.
    ///
    /// # Errors
    /// When fewer than `bytes` are free. The reservation keeps its size then.
    pub fn grow(&mut self, bytes: u64) -> Result<(), MemoryExhausted> {
        self.budget.take(self.purpose, bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Gives back what the reservation holds beyond `bytes`. A smaller reservation is left as it is.
    pub fn shrink_to(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.budget.give_back(self.purpose, surplus);
        self.bytes -= surplus;
    }
}

impl Drop for MemoryReservation {
    fn drop(&mut self) {
        self.budget.give_back(self.purpose, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_beyond_the_bound_is_refused_and_takes_nothing() {
        let budget = MemoryBudget::new(100);
        let held = budget.try_reserve(MemoryPurpose::Reads, 70).unwrap();
        let refused = budget.try_reserve(MemoryPurpose::Guests, 31).unwrap_err();
        assert_eq!(refused, MemoryExhausted { purpose: MemoryPurpose::Guests, asked: 31, used: 70, bytes_max: 100 });
        assert_eq!((budget.used(), budget.used_by(MemoryPurpose::Guests)), (70, 0));
        drop(held);
        assert!(budget.try_reserve(MemoryPurpose::Guests, 100).is_ok());
    }

    #[test]
    fn a_reservation_grows_shrinks_and_gives_everything_back() {
        let budget = MemoryBudget::new(100);
        let mut held = budget.try_reserve(MemoryPurpose::Views, 10).unwrap();
        held.grow(50).unwrap();
        assert!(held.grow(41).is_err());
        assert_eq!((held.bytes(), budget.used_by(MemoryPurpose::Views)), (60, 60));
        held.shrink_to(20);
        held.shrink_to(30);
        assert_eq!((held.bytes(), budget.used()), (20, 20));
        drop(held);
        assert_eq!((budget.used(), budget.used_by(MemoryPurpose::Views)), (0, 0));
    }

    #[test]
    fn a_size_that_overflows_is_refused() {
        let budget = MemoryBudget::new(u64::MAX);
        let _held = budget.try_reserve(MemoryPurpose::Reads, 1).unwrap();
        assert!(budget.try_reserve(MemoryPurpose::Reads, u64::MAX).is_err());
    }

    #[test]
    fn purposes_stand_in_the_order_of_their_numbers() {
        for (number, purpose) in MemoryPurpose::ALL.into_iter().enumerate() {
            assert_eq!(purpose as usize, number);
        }
    }
}
