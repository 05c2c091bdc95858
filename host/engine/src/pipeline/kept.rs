//! The seat of the revision before, which a worker keeps for a while after a switch: should that revision come back – a deployment is taken
//! back, an author goes to and fro – only what was recorded since has to be folded in. It counts against the tenant like a seat that is
//! in use, and is the first to go.

use std::sync::Arc;

use polder_core::{Position, Revision};

use super::ready::ReadySeat;
use super::seat::Seat;
use crate::tenant::Tenant;

pub(super) struct KeptSeat {
    /// All its states are durable.
    seat: Seat,
    /// What was recorded later is in none of them.
    position: Position,
    /// Somebody has looked since it was put here.
    is_old: bool,
}

/// What the workers had kept of a revision, by worker.
pub(crate) struct Reclaimed(pub(super) Vec<Option<(ReadySeat, Position)>>);

impl Reclaimed {
    pub(crate) fn nothing(worker_count: usize) -> Self {
        Self((0..worker_count).map(|_| None).collect())
    }
}

impl KeptSeat {
    pub(super) fn new(seat: Seat, position: Position) -> Self {
        Self { seat, position, is_old: false }
    }

    pub(super) fn is_of(&self, tenant: &Arc<Tenant>) -> bool {
        Arc::ptr_eq(&self.seat.tenant, tenant)
    }

    pub(super) fn revision(&self) -> Revision {
        self.seat.states.revision
    }

    pub(super) fn states(&self) -> u64 {
        self.seat.states.len() as u64
    }

    pub(super) fn memory_bytes(&self) -> u64 {
        self.seat.memory_bytes()
    }

    /// Whether this was asked before.
    pub(super) fn ages(&mut self) -> bool {
        std::mem::replace(&mut self.is_old, true)
    }

    pub(super) fn reclaim(self) -> (ReadySeat, Position) {
        (self.seat.into_ready(), self.position)
    }

    /// Thousands of states: it takes longer than a caller should wait. Without a thread it is done here.
    pub(super) fn drop_beside(self) {
        drop(std::thread::Builder::new().name("old-revision".into()).spawn(move || drop(self)));
    }
}
