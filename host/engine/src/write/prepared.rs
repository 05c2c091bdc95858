//! Instances with states that were built before their revision became active, or that were kept of a former one. Each
//! belongs to one worker.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

#[cfg(test)]
use polder_core::Sequence;
use polder_core::{DomainName, Limits, Position, Revision, TenantName};
#[cfg(test)]
use polder_journal::AggregateKey;

use super::warm::WarmStates;
use crate::tenancy::RulesInstance;

/// Prepared residents by worker. Each worker takes its own once.
#[derive(Default)]
pub(crate) struct PreparedInstances(pub(super) Vec<Option<PreparedInstance>>);

pub(super) struct PreparedInstance {
    pub(super) limits: Limits,
    pub(super) instance: Box<dyn RulesInstance>,
    pub(super) states: WarmStates,
}

#[cfg(test)]
impl PreparedInstances {
    /// The sequence of a state and its bytes.
    pub(crate) fn saved(&mut self, worker: usize, key: AggregateKey) -> Option<(Sequence, Vec<u8>)> {
        let PreparedInstance { instance, states, .. } = self.0[worker].as_mut()?;
        let warm = states.take(key)?;
        assert!(warm.is_behind, "more may be recorded until it is used");
        Some((warm.sequence, instance.save(&warm.state).unwrap()))
    }

    /// The residents as workers return them that kept them up to `position`.
    pub(crate) fn reclaimed(self, position: Position) -> Reclaimed {
        Reclaimed(self.0.into_iter().map(|resident| Some((resident?, position))).collect())
    }
}

/// The residents that the workers kept of a revision, by worker.
pub(crate) struct Reclaimed(pub(super) Vec<Option<(PreparedInstance, Position)>>);

impl Reclaimed {
    pub(crate) fn nothing(worker_count: usize) -> Self {
        Self((0..worker_count).map(|_| None).collect())
    }
}

/// The prepared instances of the revisions that are becoming active, until the workers take them. The store holds at
/// most one revision of each domain.
#[derive(Default)]
pub(super) struct PreparedStore(Mutex<HashMap<(TenantName, DomainName), (Revision, PreparedInstances)>>);

impl PreparedStore {
    /// Replaces what is stored of the domain. Call it before the revision becomes active.
    pub(super) fn put(&self, owner: (TenantName, DomainName), revision: Revision, prepared: PreparedInstances) {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = stored.insert(owner, (revision, prepared));
        drop(stored);
        // Dropping guest memory takes long, so it happens without the lock.
        drop(replaced);
    }

    /// Takes the instance of one worker, once. `None` if nothing is stored of this revision.
    pub(super) fn take(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        revision: Revision,
        worker: usize,
    ) -> Option<PreparedInstance> {
        let mut stored = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let owner = (tenant.clone(), domain.clone());
        let (_, PreparedInstances(prepared)) = stored.get_mut(&owner).filter(|(stored, _)| *stored == revision)?;
        let taken = prepared.get_mut(worker)?.take();
        if prepared.iter().all(Option::is_none) {
            stored.remove(&owner);
        }
        taken
    }
}
