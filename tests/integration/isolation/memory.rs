//! A tenant's guest memory counts for all its domains and workers together, and the least recently used state goes
//! first.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use polder_core::{Descriptor, Limits, Reason, Revision};
use polder_engine::{DecidedEvent, Handled, Host, HostOptions, Rules, RulesInstance, StateSlot};
use polder_sandbox::{CallError, GuestCommand, GuestEvent};
use serde_json::json;

use crate::engine::door::{Door, options, tenant};

const MIB: u64 = 1024 * 1024;
const INSTANCE_BYTES: u64 = 3 * MIB;

/// The states and instances that a domain keeps, over all its instances.
#[derive(Default)]
struct Kept {
    /// Pairs of instance and aggregate.
    states: BTreeSet<(usize, String)>,
    instances: BTreeSet<usize>,
    instances_ever: usize,
}

struct Observed {
    descriptor: Descriptor,
    kept: Arc<Mutex<Kept>>,
}

struct ObservedInstance {
    number: usize,
    kept: Arc<Mutex<Kept>>,
    /// The ids of the aggregates, by slot.
    ids: Vec<String>,
}

impl Rules for Observed {
    fn revision(&self) -> Revision {
        Revision::of(self.descriptor.domain.as_str().as_bytes())
    }

    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    fn instantiate(&self, _: &Limits) -> Result<Box<dyn RulesInstance>, CallError> {
        let mut kept = self.kept.lock().unwrap();
        let number = kept.instances_ever;
        kept.instances_ever += 1;
        kept.instances.insert(number);
        Ok(Box::new(ObservedInstance { number, kept: Arc::clone(&self.kept), ids: Vec::new() }))
    }
}

impl RulesInstance for ObservedInstance {
    fn start(&mut self, _: &str, id: &str) -> Result<StateSlot, CallError> {
        self.kept.lock().unwrap().states.insert((self.number, id.to_owned()));
        self.ids.push(id.to_owned());
        Ok(StateSlot(self.ids.len() as u32 - 1))
    }

    fn load(&mut self, aggregate: &str, id: &str, _: &[u8]) -> Result<StateSlot, CallError> {
        self.start(aggregate, id)
    }

    fn evolve(&mut self, state: StateSlot, _: &[GuestEvent<'_>]) -> Result<StateSlot, CallError> {
        Ok(state)
    }

    fn handle(&mut self, state: StateSlot, _: &GuestCommand<'_>) -> Result<Handled, CallError> {
        let event = DecidedEvent { name: "noted".parse().unwrap(), version: 1, payload: b"{}".to_vec() };
        let decision: Result<_, Reason> = Ok(vec![event]);
        Ok(Handled { state, decision })
    }

    fn save(&mut self, _: &StateSlot) -> Result<Vec<u8>, CallError> {
        Ok(b"{}".to_vec())
    }

    fn inspect(&mut self, _: &StateSlot) -> Result<String, CallError> {
        Ok("{}".to_owned())
    }

    fn discard(&mut self, state: StateSlot) -> Result<(), CallError> {
        let id = self.ids[state.0 as usize].clone();
        assert!(self.kept.lock().unwrap().states.remove(&(self.number, id)), "discarded twice");
        Ok(())
    }

    fn memory_bytes(&self) -> u64 {
        INSTANCE_BYTES
    }
}

impl Drop for ObservedInstance {
    fn drop(&mut self) {
        let mut kept = self.kept.lock().unwrap();
        kept.instances.remove(&self.number);
        kept.states.retain(|(instance, _)| *instance != self.number);
    }
}

/// Puts a domain with its own name in place, and returns what it keeps.
fn observe(host: &Host, domain: &str) -> (Door, Arc<Mutex<Kept>>) {
    let event = json!({ "version": 1, "reads": [1], "schema": {} });
    let aggregate = json!({ "commands": { "note": { "schema": {} } }, "events": { "noted": event } });
    let text = json!({ "format": 1, "domain": domain, "aggregates": { "log": aggregate } }).to_string();
    let kept = Arc::<Mutex<Kept>>::default();
    let rules = Observed { descriptor: Descriptor::parse(&text).unwrap(), kept: Arc::clone(&kept) };
    host.deployments().attach(&tenant(), Arc::new(rules)).unwrap();
    (Door::at(host.clone(), domain, "log"), kept)
}

fn host_with(folder: &std::path::Path, limits: Limits) -> Host {
    Host::open(HostOptions { limits, is_audited: false, ..options(folder) }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn warm_states_count_for_all_domains_of_a_tenant_together() {
    let folder = tempfile::tempdir().unwrap();
    let host = host_with(folder.path(), Limits { warm_states_max: 20, ..Limits::DEFAULT });
    let (first, first_kept) = observe(&host, "first");
    let (second, second_kept) = observe(&host, "second");
    for number in 0..100 {
        first.accept(&format!("a-{number}"), "note", json!({})).await;
    }
    let held = |kept: &Mutex<Kept>| kept.lock().unwrap().states.len();
    assert!((10..=20).contains(&held(&first_kept)), "{}", held(&first_kept));
    for number in 0..100 {
        second.accept(&format!("a-{number}"), "note", json!({})).await;
    }
    assert_eq!(held(&first_kept), 0, "the other domain's states were used less");
    assert!((10..=20).contains(&held(&second_kept)), "{}", held(&second_kept));
    let last = first.accept("a-99", "note", json!({})).await;
    assert_eq!(last.sequence.0, 2, "a state that had gone is built again");
    host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guest_memory_counts_for_all_domains_of_a_tenant_together() {
    let folder = tempfile::tempdir().unwrap();
    // On each of two workers there is room for two instances, but not for three.
    let limits = Limits { guest_memory_bytes_max: 16 * MIB, ..Limits::DEFAULT };
    let host = host_with(folder.path(), limits);
    let domains: Vec<_> = ["d-0", "d-1", "d-2", "d-3"].map(|domain| observe(&host, domain)).into();
    for (door, _) in &domains {
        for round in 0..20 {
            for number in 0..16 {
                let answer = door.accept(&format!("a-{number}"), "note", json!({})).await;
                assert_eq!(answer.sequence.0, round + 1);
            }
        }
    }
    let instances: Vec<_> = domains.iter().map(|(_, kept)| kept.lock().unwrap().instances.len()).collect();
    assert_eq!(instances, [0, 0, 2, 2], "on each worker the two that were used last");
    host.shutdown().await;
}
