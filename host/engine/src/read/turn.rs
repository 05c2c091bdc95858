//! One turn of a read on a thread: whether it may go on, and what it may use.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polder_core::{Limits, MemoryBudget, MemoryPurpose, MemoryReservation};
use polder_sandbox::CpuTime;

use super::lanes::Lane;
use crate::ReadError;
use crate::pipeline::slice_of;

/// CPU time of a turn on the fast lane, in milliseconds.
const FAST_SLICE_MS: u64 = 10;
/// CPU time of a turn on the slow lane, in milliseconds: then other tenants' reads have theirs.
const SLOW_SLICE_MS: u64 = 200;
/// CPU time of one read in all its turns, in milliseconds.
pub(crate) const READ_CPU_MS_MAX: u64 = 30_000;

/// Why a turn ended without an answer.
#[derive(Debug)]
pub(crate) enum ReadStop {
    /// The slice is used up, or the call needs more than a slice: it goes on, or begins again, on the slow lane.
    NextTurn,
    /// The client went away.
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
    /// In the turns before, in nanoseconds.
    pub(super) used_ns: u64,
    pub(super) memory: &'a MemoryBudget,
}

impl ReadTurn<'_> {
    /// To be asked between two steps, each of which is short.
    ///
    /// # Errors
    /// When the read must not go on now, or at all.
    pub(crate) fn check(&self) -> Result<(), ReadStop> {
        if self.is_gone() {
            return Err(ReadStop::Gone);
        }
        let turn_ms = self.cpu_time.elapsed_ns() / 1_000_000;
        if self.used_ns / 1_000_000 + turn_ms >= READ_CPU_MS_MAX {
            return Err(ReadError::TooLong { ms_max: READ_CPU_MS_MAX }.into());
        }
        let slice_ms = if self.is_slow() { SLOW_SLICE_MS } else { FAST_SLICE_MS };
        if turn_ms >= slice_ms { Err(ReadStop::NextTurn) } else { Ok(()) }
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Relaxed)
    }

    pub(crate) fn is_slow(&self) -> bool {
        self.lane == Lane::Slow
    }

    /// What a guest call of this turn may use, of what the tenant's limits give it.
    pub(crate) fn allowance(&self, limits: &Limits) -> Limits {
        if self.is_slow() { *limits } else { slice_of(limits) }
    }

    /// As [`is_gone`](Self::is_gone), for what runs without looking at the turn.
    pub(crate) fn gone(&self) -> Arc<AtomicBool> {
        Arc::clone(self.is_gone)
    }

    /// Memory of the answer, from now until the client has taken it.
    ///
    /// # Errors
    /// When the host has none left.
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
    fn a_slice_is_used_up_by_the_time_of_the_processor() {
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
