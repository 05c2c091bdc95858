//! Seats of former revisions, which a worker keeps for a while after a switch. If such a revision comes back, because a
//! deployment is rolled back or an author alternates between two revisions, only the events recorded since need to be
//! folded in. They count against the tenant like residents in use, and are evicted first.

use std::sync::Arc;

use foldhash::HashMap;
use polder_core::{Limits, Position, Revision};

use super::prepared::PreparedInstance;
use super::resident::ResidentInstance;
use crate::tenancy::Tenant;

/// At most one resident for each domain, keyed by the domain's address.
#[derive(Default)]
pub(super) struct RetiredInstances(HashMap<usize, RetiredInstance>);

struct RetiredInstance {
    /// All its states are durable.
    resident: ResidentInstance,
    /// The position up to which its states are current.
    position: Position,
    /// Whether [`RetiredInstances::age`] has seen this resident before.
    is_old: bool,
}

impl RetiredInstances {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Drops all residents on this thread. Returns whether there were any.
    pub(super) fn clear(&mut self) -> bool {
        let had_any = !self.0.is_empty();
        self.0.clear();
        had_any
    }

    /// Replaces what was kept of the domain. All states of `resident` are durable and current up to `position`.
    pub(super) fn replace(&mut self, domain: usize, resident: Option<ResidentInstance>, position: Position) {
        let older = self.0.remove(&domain);
        self.0.extend(resident.map(|resident| (domain, RetiredInstance { resident, position, is_old: false })));
        older.into_iter().for_each(RetiredInstance::drop_beside);
    }

    /// Removes and returns the resident of the revision that comes back, with the position up to which it is current.
    pub(super) fn reclaim(&mut self, domain: usize, revision: Revision) -> Option<(PreparedInstance, Position)> {
        self.0.get(&domain).filter(|kept| kept.resident.states.revision == revision)?;
        let RetiredInstance { resident, position, .. } = self.0.remove(&domain)?;
        Some((resident.into_ready(), position))
    }

    /// Drops the residents that were already here at the previous call.
    pub(super) fn age(&mut self) {
        let is_old = |kept: &mut RetiredInstance| std::mem::replace(&mut kept.is_old, true);
        self.0.extract_if(|_, kept| is_old(kept)).for_each(|(_, kept)| kept.drop_beside());
    }

    /// Drops the tenant's kept residents if they, with the states and bytes that it has in use, exceed its share.
    pub(super) fn hold_to_share(&mut self, tenant: &Arc<Tenant>, in_use: impl FnOnce() -> (u64, u64), share: &Limits) {
        let is_own = |kept: &RetiredInstance| Arc::ptr_eq(&kept.resident.tenant, tenant);
        let sum = |(states, bytes): (u64, u64), more: (u64, u64)| (states + more.0, bytes + more.1);
        let Some(kept) = self.0.values().filter(|kept| is_own(kept)).map(|kept| kept.resident.keeps()).reduce(sum)
        else {
            return;
        };
        let (states, bytes) = sum(in_use(), kept);
        if states > share.warm_states_max || bytes > share.guest_memory_bytes_max {
            self.0.extract_if(|_, kept| is_own(kept)).for_each(|(_, kept)| kept.drop_beside());
        }
    }
}

impl RetiredInstance {
    /// Drops the resident on a thread of its own: freeing thousands of states takes longer than a caller should wait.
    /// If no thread can be started, it is dropped here.
    fn drop_beside(self) {
        drop(std::thread::Builder::new().name("old-revision".into()).spawn(move || drop(self)));
    }
}

#[cfg(test)]
mod tests {
    use super::super::warm::WarmStates;
    use super::*;
    use crate::folding::Folded;
    use crate::tenancy::{Active, Domain, Handled, Probation, Rules, RulesInstance, StateSlot, Terms};
    use polder_core::{ContentId, Descriptor, DomainName, Sequence, TenantName};
    use polder_journal::{AggregateKey, Journal, OpenOptions};
    use polder_sandbox::{CallError, GuestCommand, GuestEvent};

    const DOMAIN: usize = 7;
    const OTHER_DOMAIN: usize = 8;
    const POSITION: Position = Position(100);
    const STATES: u64 = 3;
    const BYTES: u64 = 1_000;

    /// An instance that only has memory. The test calls nothing else.
    struct Idle;

    impl RulesInstance for Idle {
        fn start(&mut self, _: &str, _: &str) -> Result<StateSlot, CallError> {
            unreachable!()
        }
        fn load(&mut self, _: &str, _: &str, _: &[u8]) -> Result<StateSlot, CallError> {
            unreachable!()
        }
        fn evolve(&mut self, _: StateSlot, _: &[GuestEvent<'_>]) -> Result<StateSlot, CallError> {
            unreachable!()
        }
        fn handle(&mut self, _: StateSlot, _: &GuestCommand<'_>) -> Result<Handled, CallError> {
            unreachable!()
        }
        fn save(&mut self, _: &StateSlot) -> Result<Vec<u8>, CallError> {
            unreachable!()
        }
        fn inspect(&mut self, _: &StateSlot) -> Result<String, CallError> {
            unreachable!()
        }
        fn discard(&mut self, _: StateSlot) -> Result<(), CallError> {
            unreachable!()
        }
        fn memory_bytes(&self) -> u64 {
            BYTES
        }
    }

    struct Revised(Revision, Descriptor);

    impl Rules for Revised {
        fn revision(&self) -> Revision {
            self.0
        }
        fn descriptor(&self) -> &Descriptor {
            &self.1
        }
        fn instantiate(&self, _: &Limits) -> Result<Box<dyn RulesInstance>, CallError> {
            Ok(Box::new(Idle))
        }
    }

    fn tenant(name: &str) -> Arc<Tenant> {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
        let terms = Terms { limits: Limits::DEFAULT, is_suspended: false };
        Tenant::new(TenantName::new(name).unwrap(), terms, &reader)
    }

    fn revision(name: &str) -> Revision {
        Revision::of(name.as_bytes())
    }

    fn resident(tenant: &Arc<Tenant>, name: &str) -> Option<ResidentInstance> {
        let text = r#"{"format":1,"domain":"d","aggregates":{"a":{"commands":{},"events":{}}}}"#;
        let descriptor = Descriptor::parse(text).unwrap();
        let rules = Arc::new(Revised(revision(name), descriptor));
        let active = Active::new(&tenant.name, rules, Probation::New);
        let domain = Domain::new(DomainName::new("d").unwrap(), Arc::clone(&active));
        let mut states = WarmStates::new(revision(name));
        for number in 0..STATES as u8 {
            let (sequence, saved) = (Sequence(1), Sequence::ZERO);
            let folded = Folded { state: StateSlot(u32::from(number)), sequence, head: ContentId::NONE, saved };
            states.put(AggregateKey([number; 16]), folded.into());
        }
        let ready = PreparedInstance { limits: Limits::DEFAULT, instance: Box::new(Idle), states };
        Some(ResidentInstance::from_ready((tenant, &domain), &active, ready, None))
    }

    /// A tenant with one kept resident, of the revision "one".
    fn kept() -> (Arc<Tenant>, RetiredInstances) {
        let (tenant, mut kept) = (tenant("acme"), RetiredInstances::default());
        kept.replace(DOMAIN, resident(&tenant, "one"), POSITION);
        (tenant, kept)
    }

    #[test]
    fn the_revision_that_comes_back_finds_its_states() {
        let (_tenant, mut kept) = kept();
        assert!(kept.reclaim(OTHER_DOMAIN, revision("one")).is_none());
        assert!(kept.reclaim(DOMAIN, revision("two")).is_none(), "it belongs to another revision");
        let (mut ready, position) = kept.reclaim(DOMAIN, revision("one")).unwrap();
        assert_eq!((ready.states.len() as u64, position), (STATES, POSITION));
        assert!(ready.states.take(AggregateKey([0; 16])).unwrap().is_behind);
        assert!(kept.is_empty() && kept.reclaim(DOMAIN, revision("one")).is_none(), "once");
    }

    #[test]
    fn a_domain_keeps_only_its_last_seat() {
        let (tenant, mut kept) = kept();
        kept.replace(DOMAIN, resident(&tenant, "two"), POSITION);
        assert!(kept.reclaim(DOMAIN, revision("one")).is_none());
        kept.replace(DOMAIN, None, POSITION);
        assert!(kept.is_empty());
    }

    #[test]
    fn a_seat_that_is_not_reclaimed_in_time_is_dropped() {
        let (tenant, mut kept) = kept();
        kept.age();
        assert!(!kept.is_empty(), "it may have arrived a moment ago");
        kept.replace(OTHER_DOMAIN, resident(&tenant, "two"), POSITION);
        kept.age();
        assert!(kept.reclaim(DOMAIN, revision("one")).is_none());
        assert!(kept.reclaim(OTHER_DOMAIN, revision("two")).is_some());
    }

    #[test]
    fn kept_seats_are_evicted_first_at_the_limits() {
        let roomy = Limits { warm_states_max: 2 * STATES, guest_memory_bytes_max: 2 * BYTES, ..Limits::DEFAULT };
        let few_states = Limits { warm_states_max: 2 * STATES - 1, ..roomy };
        let little_memory = Limits { guest_memory_bytes_max: 2 * BYTES - 1, ..roomy };
        for (share, stays) in [(roomy, true), (few_states, false), (little_memory, false)] {
            let (tenant, mut kept) = kept();
            let other = self::tenant("other");
            kept.replace(OTHER_DOMAIN, resident(&other, "one"), POSITION);
            kept.hold_to_share(&tenant, || (STATES, BYTES), &share);
            assert_eq!(kept.reclaim(DOMAIN, revision("one")).is_some(), stays, "{share:?}");
            assert!(kept.reclaim(OTHER_DOMAIN, revision("one")).is_some(), "it is another tenant's");
        }
    }

    #[test]
    fn nothing_is_counted_where_no_seat_is_kept() {
        let mut kept = RetiredInstances::default();
        kept.hold_to_share(&tenant("acme"), || unreachable!("the check runs often"), &Limits::DEFAULT);
    }
}
