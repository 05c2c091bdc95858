//! Natively compiled domains and their components behave in the same way. The same random histories give the same
//! events, refusals and states. Applying in parts and saving in between change nothing. The cases that the domains' own
//! tests recorded give the same results.

use std::path::PathBuf;
use std::sync::Arc;

use polder_core::{Event, Limits};
use polder_sandbox::{Component, GuestCommand, GuestEvent, Instance, Sandbox, SandboxOptions, StateHandle};
use polder_sdk::{CommandRef, Domain, EventRef, Refused};
use polder_tests::{Random, skipped};
use serde_json::{Value, json};

use super::door::component;

const HISTORIES: u64 = 60;
const COMMANDS_MAX: u64 = 24;
const AT_MS: u64 = 1_767_225_600_000;
const ID: &str = "law-1";

/// The state of an aggregate after its events, by the natively compiled rules.
pub(super) fn fold_natively(domain: &Domain, history: &[Event]) -> Value {
    let mut state = domain.start(history[0].aggregate.as_str(), history[0].aggregate_id.as_str()).unwrap();
    for event in history {
        let event = EventRef {
            position: event.position.0,
            aggregate: event.aggregate.as_str(),
            aggregate_id: event.aggregate_id.as_str(),
            sequence: event.sequence.0,
            name: event.name.as_str(),
            version: event.version,
            payload: event.payload.get().as_bytes(),
            at_ms: event.at_ms.0,
        };
        state.evolve(&[event]).unwrap();
    }
    serde_json::from_str(&state.inspect().unwrap()).unwrap()
}

/// Few articles, so that commands concern the same lines. With `may_end`, also commands that end an order and unknown
/// commands.
pub(super) fn order_command(random: &mut Random, may_end: bool) -> (&'static str, Value) {
    let sku = *random.one_of(&["TEA-250", "POT", "CUP"]);
    match random.below(if may_end { 11 } else { 8 }) {
        0..5 => {
            let mut payload = json!({ "sku": sku, "quantity": random.below(4), "price": random.below(500) });
            if random.below(4) == 0 {
                payload["colour"] = json!("no field of this command");
            }
            ("add-line", payload)
        }
        5..8 => ("remove-line", json!({ "sku": sku })),
        8 => ("draft-order", json!({ "customer": *random.one_of(&["c-1", "c-2", "not an id\u{7}"]) })),
        9 => (*random.one_of(&["submit-order", "validate-order", "fulfil-order", "cancel-order"]), json!({})),
        _ => ("no-such-command", json!([1, "two"])),
    }
}

fn registration(random: &mut Random, time: &str) -> (&'static str, Value) {
    let department = *random.one_of(&["General", "Experts"]);
    let payload = json!({
        "channel": "Internet", "department": department, "responsible": "Resource21",
        "started_at": time, "deadline": time, "planned_end": time,
        "received_at": time, "resource": "Resource01", "resource_group": "EMPTY",
    });
    ("register-application", payload)
}

/// Mostly valid, and mostly a little later than the one before it.
fn application_command(random: &mut Random, number: u64) -> (&'static str, Value) {
    let zone = *random.one_of(&["Z", "Z", "Z", "+01:00", "-02:00", "nonsense"]);
    let time = format!("2011-10-{:02}T{:02}:00:00.5{zone}", 1 + number, random.below(24));
    if number == 0 || random.below(8) == 0 {
        return registration(random, &time);
    }
    let resource = *random.one_of(&["Resource01", "Resource01", "Resource02", "admin1", ""]);
    let task = *random.one_of(&["T02 Check confirmation of receipt", "T16 Report reasons to hold request", "No such"]);
    ("record-task", json!({ "task": task, "resource": resource, "resource_group": "Group 1", "completed_at": time }))
}

/// A decided event: name, version, payload.
type Decided = (String, u32, Vec<u8>);

struct InSandbox {
    instance: Instance,
    aggregate: &'static str,
}

impl InSandbox {
    fn start(&mut self) -> StateHandle {
        self.instance.start(self.aggregate, ID).unwrap()
    }

    fn shown(&mut self, state: &StateHandle) -> Value {
        serde_json::from_str(&self.instance.inspect(state).unwrap()).unwrap()
    }

    fn evolve(&mut self, state: StateHandle, first: usize, events: &[Decided]) -> StateHandle {
        let events: Vec<GuestEvent<'_>> = events
            .iter()
            .zip(first as u64 + 1..)
            .map(|((name, version, payload), place)| GuestEvent {
                position: place,
                aggregate: self.aggregate,
                aggregate_id: ID,
                sequence: place,
                name,
                version: *version,
                payload,
                at_ms: AT_MS,
            })
            .collect();
        self.instance.evolve(state, &events).unwrap()
    }
}

/// Runs one history on both sides. Returns the events, and the number of refused commands.
fn play(domain: &Domain, sandbox: &mut InSandbox, commands: &[(&'static str, Value)]) -> (Vec<Decided>, usize) {
    let mut native = domain.start(sandbox.aggregate, ID).unwrap();
    let mut state = sandbox.start();
    let (mut history, mut refused) = (Vec::new(), 0);
    for (number, (name, payload)) in commands.iter().enumerate() {
        let (id, payload, at_ms) = (format!("c-{number}"), payload.to_string().into_bytes(), AT_MS + number as u64);
        let natively = native.handle(&CommandRef { id: &id, name, payload: &payload, at_ms, actor: None });
        let command = GuestCommand { id: &id, name, payload: &payload, at_ms, actor: None };
        let (next, sandboxed) = sandbox.instance.handle(state, &command).unwrap();
        state = next;
        match (natively, sandboxed) {
            (Ok(natively), Ok(sandboxed)) => {
                let natively: Vec<Decided> =
                    natively.into_iter().map(|event| (event.name.to_owned(), event.version, event.payload)).collect();
                let sandboxed: Vec<Decided> = sandboxed
                    .into_iter()
                    .map(|event| (event.name.as_str().to_owned(), event.version, event.payload))
                    .collect();
                assert_eq!(natively, sandboxed, "{name}");
                history.extend(sandboxed);
            }
            (Err(Refused::Rejected(natively)), Err(sandboxed)) => {
                assert_eq!((&*natively.code, natively.message), (&*sandboxed.code, sandboxed.message), "{name}");
                refused += 1;
            }
            (natively, sandboxed) => panic!("{name}: natively {natively:?}, in the sandbox {sandboxed:?}"),
        }
        let natively: Value = serde_json::from_str(&native.inspect().unwrap()).unwrap();
        assert_eq!(natively, sandbox.shown(&state), "after {name}");
    }
    (history, refused)
}

/// At every cut of the history: applying both parts, with and without saving in between, gives the state of the whole.
fn check_cuts(sandbox: &mut InSandbox, history: &[Decided]) {
    let start = sandbox.start();
    let at_once = sandbox.evolve(start, 0, history);
    let expected = sandbox.shown(&at_once);
    for cut in 0..=history.len() {
        let start = sandbox.start();
        let first = sandbox.evolve(start, 0, &history[..cut]);
        let saved = sandbox.instance.save(&first).unwrap();
        let loaded = sandbox.instance.load(sandbox.aggregate, ID, &saved).unwrap();
        assert_eq!(sandbox.shown(&first), sandbox.shown(&loaded), "saved and loaded at {cut}");
        assert_eq!(sandbox.instance.save(&loaded).unwrap(), saved, "saved again at {cut}");
        for state in [first, loaded] {
            let whole = sandbox.evolve(state, cut, &history[cut..]);
            assert_eq!(sandbox.shown(&whole), expected, "in parts, cut at {cut}");
            sandbox.instance.discard(whole).unwrap();
        }
    }
}

/// The command with this number in a history.
type Next = fn(&mut Random, u64) -> (&'static str, Value);

fn check(domain: &Domain, guest: &str, aggregate: &'static str, next: Next) {
    let loaded = load(guest);
    let first = std::env::var("POLDER_SEED").map_or(1, |seed| seed.parse().expect("POLDER_SEED is a number"));
    let (mut events, mut refusals) = (0, 0);
    for seed in first..first + HISTORIES {
        println!("POLDER_SEED={seed}");
        let mut random = Random::seeded(seed);
        let commands: Vec<_> = (0..random.below(COMMANDS_MAX)).map(|number| next(&mut random, number)).collect();
        let mut sandbox = InSandbox { instance: loaded.instantiate(&Limits::DEFAULT).unwrap(), aggregate };
        let (history, refused) = play(domain, &mut sandbox, &commands);
        check_cuts(&mut sandbox, &history);
        (events, refusals) = (events + history.len(), refusals + refused);
    }
    println!("{events} events, {refusals} refusals");
    assert!(events > 100 && refusals > 100, "histories that show little");
}

fn load(guest: &str) -> Arc<Component> {
    Sandbox::new(SandboxOptions::default()).unwrap().load(&component(guest)).unwrap()
}

#[test]
fn orders_are_the_same_natively_and_in_the_sandbox() {
    check(orders::domain(), "orders", "order", |random, number| {
        // Mostly with the proper first command.
        if number == 0 && random.below(6) > 0 {
            return ("draft-order", json!({ "customer": "c-1" }));
        }
        order_command(random, true)
    });
}

#[test]
fn permits_are_the_same_natively_and_in_the_sandbox() {
    check(permits::domain(), "permits", "application", application_command);
}

#[test]
fn recorded_cases_come_out_the_same_in_the_sandbox() {
    let Some(folder) = std::env::var_os("POLDER_GUEST_CASES_DIR").map(PathBuf::from) else {
        return skipped("`cargo xtask test` records the cases and sets POLDER_GUEST_CASES_DIR");
    };
    let cases = polder_cases::read_folder(&folder).unwrap();
    for guest in ["orders", "permits"] {
        let loaded = load(guest);
        let own: Vec<_> = cases.iter().filter(|case| case.domain() == guest).collect();
        assert!(!own.is_empty(), "no case of {guest} was recorded");
        for case in own {
            if let Err(error) = polder_cases::replay(&loaded, case, &Limits::DEFAULT) {
                panic!("{}: {error}", case.name());
            }
        }
    }
}
