//! The budget for memory that requests can make the host hold. It only counts bytes: it allocates and frees nothing,
//! and never blocks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Maximum share for guests of what machine code leaves of the budget, in percent. Guests keep their memory while they
/// are idle, to be faster next time. The purposes that free theirs when their work ends need the rest.
const GUESTS_PERCENT_MAX: u64 = 75;
/// Maximum share of the budget for machine code, in percent. Code stays as long as its revision is active, so without a
/// bound of its own, deployments could leave nothing for the work.
const CODE_PERCENT_MAX: u64 = 50;
/// Maximum share of the budget for bodies of requests, in percent. The rest is left for connections, reads, guests and
/// views, whatever clients send.
const REQUEST_BODIES_PERCENT_MAX: u64 = 50;
/// Maximum share of the budget for open connections, in percent. It is apart from that of bodies, so that large bodies
/// never keep a new client from connecting.
const CONNECTIONS_PERCENT_MAX: u64 = 25;

/// What memory is reserved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryPurpose {
    /// Open connections: arriving heads and leaving answers.
    Connections,
    /// Bodies of requests from their first byte to the end of their last reader, also those that another host forwards,
    /// and the lines and answers of batches.
    RequestBodies,
    /// Replies to reads, from the page that is read to the last byte that the client receives.
    Reads,
    /// Linear memory of guest instances.
    Guests,
    /// Machine code of loaded components.
    Code,
    /// Child processes that compile components.
    Compilers,
    /// Projections that process events, and the caches of the read models.
    Views,
}

impl MemoryPurpose {
    pub const ALL: [Self; 7] =
        [Self::Connections, Self::RequestBodies, Self::Reads, Self::Guests, Self::Code, Self::Compilers, Self::Views];

    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::RequestBodies => "request-bodies",
            Self::Reads => "reads",
            Self::Guests => "guests",
            Self::Code => "code",
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

/// The host's memory is in use. The work can be tried again after other work has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{purpose} asked for {asked} bytes; {used} of the {bytes_max} bytes that memory_bytes_max leaves for that are in use"
)]
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

    /// A budget without a limit.
    pub fn unlimited() -> Self {
        Self::new(u64::MAX)
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

    /// The most that all reservations for the purpose hold together, in bytes. It is a part of
    /// [`bytes_max`](Self::bytes_max), and no caller can exceed it.
    pub fn bytes_max_for(&self, purpose: MemoryPurpose) -> u64 {
        let bytes_max = self.shared.bytes_max;
        let (of, percent) = match purpose {
            MemoryPurpose::Connections => (bytes_max, CONNECTIONS_PERCENT_MAX),
            MemoryPurpose::RequestBodies => (bytes_max, REQUEST_BODIES_PERCENT_MAX),
            MemoryPurpose::Guests => (bytes_max.saturating_sub(self.used_by(MemoryPurpose::Code)), GUESTS_PERCENT_MAX),
            MemoryPurpose::Code => (bytes_max, CODE_PERCENT_MAX),
            MemoryPurpose::Reads | MemoryPurpose::Compilers | MemoryPurpose::Views => (bytes_max, 100),
        };
        // A part of a `u64` fits into a `u64`.
        (u128::from(of) * u128::from(percent) / 100) as u64
    }

    /// An empty reservation, to be grown later.
    pub fn reserve_nothing(&self, purpose: MemoryPurpose) -> MemoryReservation {
        MemoryReservation { budget: self.clone(), purpose, bytes: 0 }
    }

    /// Reserves `bytes` until the reservation is dropped.
    ///
    /// # Errors
    /// Fails if fewer than `bytes` are free, or if the purpose would hold more than its maximum. Nothing is reserved
    /// then.
    pub fn try_reserve(&self, purpose: MemoryPurpose, bytes: u64) -> Result<MemoryReservation, MemoryExhausted> {
        let mut reservation = self.reserve_nothing(purpose);
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    fn take(&self, purpose: MemoryPurpose, bytes: u64) -> Result<(), MemoryExhausted> {
        let own = &self.shared.used_by_purpose[purpose as usize];
        let exhausted = |used, bytes_max| MemoryExhausted { purpose, asked: bytes, used, bytes_max };
        let own_max = self.bytes_max_for(purpose);
        add_within(own, bytes, own_max).map_err(|used| exhausted(used, own_max))?;
        add_within(&self.shared.used, bytes, self.shared.bytes_max).map_err(|used| {
            own.fetch_sub(bytes, Ordering::Relaxed);
            exhausted(used, self.shared.bytes_max)
        })
    }

    fn give_back(&self, purpose: MemoryPurpose, bytes: u64) {
        let before = self.shared.used.fetch_sub(bytes, Ordering::Relaxed);
        assert!(before >= bytes, "{purpose} gives back {bytes} bytes, but only {before} are in use");
        self.shared.used_by_purpose[purpose as usize].fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Adds `bytes` to `used`, unless the sum would exceed `bytes_max`.
///
/// # Errors
/// The number of bytes in use, if the sum would exceed `bytes_max`.
fn add_within(used: &AtomicU64, bytes: u64, bytes_max: u64) -> Result<(), u64> {
    let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= bytes_max);
    used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map(drop)
}

/// A part of the budget. Dropping it releases the bytes.
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
    /// Fails as [`MemoryBudget::try_reserve`] does. The reservation keeps its size then.
    pub fn grow(&mut self, bytes: u64) -> Result<(), MemoryExhausted> {
        self.budget.take(self.purpose, bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Releases what the reservation holds beyond `bytes`. Does nothing if it is not larger.
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
        assert!(budget.try_reserve(MemoryPurpose::Views, 100).is_ok());
    }

    #[test]
    fn guests_leave_a_part_to_the_others() {
        let budget = MemoryBudget::new(1_000);
        let _guests = budget.try_reserve(MemoryPurpose::Guests, 750).unwrap();
        let refused = budget.try_reserve(MemoryPurpose::Guests, 1).unwrap_err();
        assert_eq!((refused.used, refused.bytes_max), (750, 750));
        assert!(budget.try_reserve(MemoryPurpose::RequestBodies, 250).is_ok());
        assert_eq!(budget.used(), 750);
    }

    #[test]
    fn machine_code_leaves_half_to_the_others_and_guests_get_less() {
        let budget = MemoryBudget::new(1_000);
        let code = budget.try_reserve(MemoryPurpose::Code, 500).unwrap();
        let refused = budget.try_reserve(MemoryPurpose::Code, 1).unwrap_err();
        assert_eq!((refused.purpose, refused.used, refused.bytes_max), (MemoryPurpose::Code, 500, 500));
        let guests = budget.try_reserve(MemoryPurpose::Guests, 375).unwrap();
        assert_eq!(budget.try_reserve(MemoryPurpose::Guests, 1).unwrap_err().bytes_max, 375);
        drop((code, guests));
        assert_eq!((budget.used(), budget.used_by(MemoryPurpose::Code)), (0, 0));
    }

    #[test]
    fn no_purpose_exceeds_its_own_maximum() {
        for (purpose, bytes_max) in [
            (MemoryPurpose::Connections, 250),
            (MemoryPurpose::RequestBodies, 500),
            (MemoryPurpose::Reads, 1_000),
            (MemoryPurpose::Guests, 750),
            (MemoryPurpose::Code, 500),
            (MemoryPurpose::Compilers, 1_000),
            (MemoryPurpose::Views, 1_000),
        ] {
            let budget = MemoryBudget::new(1_000);
            assert_eq!(budget.bytes_max_for(purpose), bytes_max);
            assert!(budget.try_reserve(purpose, bytes_max + 1).is_err(), "{purpose}: one that is too large");
            let mut all: Vec<_> = (0..10).map(|_| budget.try_reserve(purpose, bytes_max / 10).unwrap()).collect();
            assert!(budget.try_reserve(purpose, 1).is_err(), "{purpose}: one too many");
            assert!(all[3].grow(1).is_err(), "{purpose}: one that grows too much");
            assert!(budget.reserve_nothing(purpose).grow(1).is_err(), "{purpose}: an empty one that grows");
            assert_eq!(budget.used_by(purpose), bytes_max);
            let others = 1_000 - bytes_max;
            assert!(budget.try_reserve(MemoryPurpose::Views, others).is_ok(), "{purpose}: the rest is free");
        }
    }

    #[test]
    fn bodies_keep_no_client_from_connecting() {
        let budget = MemoryBudget::new(1_000);
        let _bodies = budget.try_reserve(MemoryPurpose::RequestBodies, 500).unwrap();
        let _guests = budget.try_reserve(MemoryPurpose::Guests, 250).unwrap();
        assert!(budget.try_reserve(MemoryPurpose::Connections, 250).is_ok());
    }

    #[test]
    fn the_maximum_of_a_budget_without_a_limit_does_not_overflow() {
        assert_eq!(MemoryBudget::unlimited().bytes_max_for(MemoryPurpose::RequestBodies), u64::MAX / 2);
        assert_eq!(MemoryBudget::unlimited().bytes_max_for(MemoryPurpose::Views), u64::MAX);
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
