//! One tenant of the host: its limits, its domains, and how far its history reaches.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use polder_core::{DomainName, Limits, Position, TenantName};
use tokio::sync::watch;

use crate::domain::Domain;

pub(crate) struct Tenant {
    pub(crate) name: TenantName,
    pub(crate) limits: Limits,
    /// The newest durable position.
    pub(crate) positions: watch::Sender<Position>,
    in_flight: AtomicU64,
    /// CPU time that its commands took, in nanoseconds.
    cpu_ns: AtomicU64,
    domains: RwLock<BTreeMap<DomainName, Arc<Domain>>>,
}

impl Tenant {
    pub(crate) fn new(name: TenantName, limits: Limits, last: Position) -> Arc<Self> {
        Arc::new(Self {
            name,
            limits,
            positions: watch::Sender::new(last),
            in_flight: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
            domains: RwLock::default(),
        })
    }

    pub(crate) fn domain(&self, name: &DomainName) -> Option<Arc<Domain>> {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn domains(&self) -> Vec<Arc<Domain>> {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    pub(crate) fn domain_names(&self) -> Vec<DomainName> {
        self.domains.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    pub(crate) fn insert(&self, domain: Arc<Domain>) {
        self.domains.write().unwrap_or_else(PoisonError::into_inner).insert(domain.name.clone(), domain);
    }

    /// The history reaches so far. Workers may come in any order.
    pub(crate) fn reached(&self, position: Position) {
        self.positions.send_if_modified(|last| {
            let is_further = *last < position;
            *last = position.max(*last);
            is_further
        });
    }

    /// Its commands took so much CPU time more, in nanoseconds.
    pub(crate) fn used(&self, cpu_ns: u64) {
        self.cpu_ns.fetch_add(cpu_ns, Ordering::Relaxed);
    }

    pub(crate) fn cpu_ns(&self) -> u64 {
        self.cpu_ns.load(Ordering::Relaxed)
    }

    /// A place among the commands in flight; `None` when all are taken.
    pub(crate) fn admit(self: &Arc<Self>) -> Option<Admission> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        // Made before the check: dropping it gives the place back also when there was none.
        let admission = Admission(Arc::clone(self));
        (before < self.limits.commands_in_flight_max).then_some(admission)
    }
}

/// Held while a command is in flight.
pub(crate) struct Admission(Arc<Tenant>);

impl Admission {
    pub(crate) fn tenant(&self) -> &Arc<Tenant> {
        &self.0
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back() {
        let limits = Limits { commands_in_flight_max: 2, ..Limits::DEFAULT };
        let tenant = Tenant::new(TenantName::new("main").unwrap(), limits, Position::ZERO);
        let first = tenant.admit().unwrap();
        let _second = tenant.admit().unwrap();
        assert!(tenant.admit().is_none());
        assert!(tenant.admit().is_none(), "a refused command takes no place");
        drop(first);
        assert!(tenant.admit().is_some());
    }
}
