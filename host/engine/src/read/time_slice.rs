//! One turn of a read on a thread: whether it may continue, and what it may use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use polder_core::{Limits, MemoryBudget, MemoryPurpose, MemoryReservation};
use polder_sandbox::CpuTime;

use super::read_error::ReadError;
use crate::tenancy::slice_of;

/// CPU time of a turn on the fast lane, in milliseconds.
pub(super) const FAST_SLICE_MS: u64 = 10;
/// CPU time of a turn on the slow lane, in milliseconds. After it, other tenants' reads have a turn.
pub(super) const SLOW_SLICE_MS: u64 = 200;
/// CPU time of one read in all its turns, in milliseconds. A read that needs more is refused.
pub(crate) const READ_CPU_MS_MAX: u64 = 30_000;

/// The threads that a turn runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Fast,
    Slow,
}

/// Why a turn ended without an answer.
#[derive(Debug)]
pub(crate) enum ReadStop {
    /// The slice is used up, or the call needs more than a slice: the read continues, or starts again, on the slow
    /// lane.
    NextTurn,
    /// The client is gone.
    Gone,
    Refused(ReadError),
}

impl From<ReadError> for ReadStop {
    fn from(error: ReadError) -> Self {
        Self::Refused(error)
    }
}

pub(crate) struct ReadTurn<'a> {
    pub(super) lane: Lane,
    pub(super) is_gone: &'a Arc<AtomicBool>,
    pub(super) cpu_time: CpuTime,
    /// CPU time of the former turns, in nanoseconds.
    pub(super) used_ns: u64,
    pub(super) memory: &'a MemoryBudget,
}

impl ReadTurn<'_> {
    /// Checks whether the read may continue. Call it between two steps, each of which must be short.
    ///
    /// # Errors
    /// Returns the reason why the read must end this turn, or end altogether.
    pub(crate) fn check(&self) -> Result<(), ReadStop> {
        if self.is_gone() {
            return Err(ReadStop::Gone);
        }
        let left = Duration::from_millis(READ_CPU_MS_MAX).saturating_sub(Duration::from_nanos(self.used_ns));
        if self.cpu_time.has_reached(left) {
            return Err(ReadError::TooLong { ms_max: READ_CPU_MS_MAX }.into());
        }
        let slice_ms = if self.is_slow() { SLOW_SLICE_MS } else { FAST_SLICE_MS };
        if self.cpu_time.has_reached(Duration::from_millis(slice_ms)) { Err(ReadStop::NextTurn) } else { Ok(()) }
    }

    /// Whether the caller is gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.lane == Lane::Slow
    }

    /// The tenant's limits, reduced to what a guest call of this turn may use.
    pub(crate) fn allowance(&self, limits: &Limits) -> Limits {
        if self.is_slow() { *limits } else { slice_of(limits) }
    }

    /// The flag behind [`is_gone`](Self::is_gone), for code that does not have the turn.
    pub(crate) fn gone(&self) -> Arc<AtomicBool> {
        Arc::clone(self.is_gone)
    }

    /// Reserves memory for the answer, until the client has received it.
    ///
    /// # Errors
    /// Fails when the host has no memory left.
    pub(crate) fn reserve(&self, bytes: u64) -> Result<MemoryReservation, ReadError> {
        self.memory.try_reserve(MemoryPurpose::Reads, bytes).map_err(ReadError::MemoryExhausted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lane: Lane, used_ms: u64, is_gone: bool) -> Result<(), ReadStop> {
        let (is_gone, memory) = (Arc::new(AtomicBool::new(is_gone)), MemoryBudget::unlimited());
        let turn = ReadTurn {
            lane,
            is_gone: &is_gone,
            cpu_time: CpuTime::now(),
            used_ns: used_ms * 1_000_000,
            memory: &memory,
        };
        turn.check()
    }

    #[test]
    fn a_read_has_a_bound_in_all_its_turns() {
        assert!(check(Lane::Slow, READ_CPU_MS_MAX - 1_000, false).is_ok());
        match check(Lane::Slow, READ_CPU_MS_MAX, false) {
            Err(ReadStop::Refused(ReadError::TooLong { ms_max })) => assert_eq!(ms_max, READ_CPU_MS_MAX),
            other => panic!("{other:?}"),
        }
        assert!(matches!(check(Lane::Fast, 0, true), Err(ReadStop::Gone)));
    }

    #[test]
    fn a_slice_is_measured_in_cpu_time() {
        let (is_gone, memory) = (Arc::default(), MemoryBudget::unlimited());
        let turn =
            ReadTurn { lane: Lane::Fast, is_gone: &is_gone, cpu_time: CpuTime::now(), used_ns: 0, memory: &memory };
        let ended = loop {
            if let Err(stop) = turn.check() {
                break stop;
            }
        };
        assert!(matches!(ended, ReadStop::NextTurn), "{ended:?}");
        assert!(turn.cpu_time.elapsed_ns() >= FAST_SLICE_MS * 1_000_000);
    }
}
