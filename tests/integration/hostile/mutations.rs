//! Damaged components. Loading returns for all bytes, and accepted components keep their limits.

use polder_core::Limits;
use polder_fuzz::{Damage, Rng, run};
use polder_sandbox::{Component, GuestCommand, GuestEvent, Sandbox, SandboxOptions};
use wit_component::ComponentEncoder;

use super::guests::{good, with_parasite};

/// Takes a second or two.
const CASES_MIN: u64 = 400;

/// Small limits: most accepted components do nothing useful with them.
const LIMITS: Limits = Limits {
    fuel_per_call_max: 2_000_000,
    call_wall_ms_max: 60_000,
    memory_bytes_max: 16 * 1024 * 1024,
    state_bytes_max: 64 * 1024,
    ..Limits::DEFAULT
};

#[test]
fn damaged_components_are_answered_within_their_limits() {
    let sandbox = Sandbox::new(SandboxOptions { load_limits: LIMITS, ..SandboxOptions::default() }).unwrap();
    let damage = Damage::new(corpus(), &[]);
    let counts = run(CASES_MIN, |random| {
        let seed = random.get_seed();
        let bytes = damage.bytes(random);
        // When the whole process ends, the last line names the running case.
        println!("POLDER_FUZZ_SEED={seed}: {} bytes", bytes.len());
        let Ok(component) = sandbox.load(&bytes) else { return false };
        exercise(&component, random);
        true
    });
    counts.assert_both();
}

/// Small files first, because most of their bytes have a meaning: a domain without code, as module and as component.
/// Then the real guests.
fn corpus() -> Vec<Vec<u8>> {
    let encode = |name: &str| {
        ComponentEncoder::default().module(&good(name)).and_then(|encoder| encoder.encode()).expect("a good guest")
    };
    let mut corpus = vec![
        wat::parse_str("(component (core module $m (memory 1) (func (export \"f\"))) (core instance (instantiate $m)))").unwrap(),
        wat::parse_str("(component (component $c (type (record (field \"a\" string))) (core module)) (instance (instantiate $c)))").unwrap(),
        wat::parse_str("(module (import \"polder:domain/diagnostics@0.2.0\" \"note\" (func (param i32 i32 i32))) (memory (export \"memory\") 1))").unwrap(),
        with_parasite("(module (memory 1) (data (i32.const 0) \"abc\") (func $f (drop (i32.load (i32.const 0)))) (start $f))"),
    ];
    corpus.extend([good("rogue"), good("saboteur"), encode("rogue"), encode("saboteur")]);
    corpus
}

/// Calls every function once. Results and errors are both fine; a panic or an endless call is not.
fn exercise(component: &Component, random: &mut Rng) {
    let Ok(mut instance) = component.instantiate(&LIMITS) else { return };
    for (name, aggregate) in &component.descriptor.aggregates {
        let Ok(mut state) = instance.start(name.as_str(), "a-1") else { continue };
        for command in aggregate.commands.keys() {
            let command =
                GuestCommand { id: "c-1", name: command.as_str(), payload: b"{}", at_ms: random.u64(..), actor: None };
            state = match instance.handle(state, &command) {
                Ok((next, _)) => next,
                Err(_) => break,
            };
            let _ = (instance.save(&state), instance.inspect(&state));
            if !instance.is_alive() {
                return;
            }
        }
    }
    for (name, aggregate) in &component.descriptor.aggregates {
        let events: Vec<GuestEvent<'_>> = aggregate
            .events
            .iter()
            .map(|(event, described)| GuestEvent {
                position: 1,
                aggregate: name.as_str(),
                aggregate_id: "a-1",
                sequence: 1,
                name: event.as_str(),
                version: described.version,
                payload: b"{}",
                at_ms: 1,
            })
            .collect();
        for projection in component.descriptor.projections.keys() {
            let _ = instance.route(projection.as_str(), &events);
            if let Ok(document) = instance.open(projection.as_str(), "a-1", None)
                && let Ok((document, _)) = instance.apply(document, &events)
            {
                let _ = instance.save_document(&document);
            }
        }
    }
}
