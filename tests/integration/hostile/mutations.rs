//! Damaged components (cut, flipped, spliced) from a seed. Loading returns for all bytes, and accepted components keep
//! their limits. `POLDER_FUZZ_CASES` sets the number of cases, `POLDER_SEED` the seed.

use polder_core::Limits;
use polder_sandbox::{Component, GuestCommand, GuestEvent, Sandbox, SandboxOptions};
use polder_tests::Random;
use wit_component::ComponentEncoder;

use super::guests::{good, with_parasite};

/// Takes a second or two; nightly runs may take longer.
const CASES: u64 = 400;
/// The largest number of changes in one case.
const CHANGES_MAX: u64 = 6;

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
    let number = |name: &str, usual: u64| {
        std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    let (seed, cases) = (number("POLDER_SEED", 1), number("POLDER_FUZZ_CASES", CASES));
    println!("POLDER_SEED={seed} POLDER_FUZZ_CASES={cases}");
    let sandbox = Sandbox::new(SandboxOptions { load_limits: LIMITS, ..SandboxOptions::default() }).unwrap();
    let corpus = corpus();
    let mut taken = 0;
    for case in 0..cases {
        let mut random = Random::seeded(seed.wrapping_mul(1_000_003).wrapping_add(case));
        let bytes = mutated(&corpus, &mut random);
        // When a test fails, the last line names the running case.
        println!("case {case}: {} bytes", bytes.len());
        if let Ok(component) = sandbox.load(&bytes) {
            taken += 1;
            exercise(&component, &mut random);
        }
    }
    // Neither all nor none: the changes reach the code behind the first check.
    println!("{taken} of {cases} were let in");
    assert!(cases < CASES || (taken > 0 && taken < cases), "{taken} of {cases}");
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

fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.one_of(corpus).clone();
    for _ in 0..=random.below(CHANGES_MAX) {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len() as u64;
        let place = random.below(length) as usize;
        match random.below(8) {
            0 => bytes.truncate(place),
            1 | 2 => bytes[place] ^= 1 << random.below(8),
            3 => bytes[place] = random.number() as u8,
            4 => bytes.insert(place, random.number() as u8),
            5 => {
                let end = place + random.below((length - place as u64).min(64) + 1) as usize;
                bytes.drain(place..end);
            }
            // A number that is too large for its purpose.
            6 => {
                for byte in bytes[place..].iter_mut().take(5) {
                    *byte = 0xff;
                }
            }
            _ => {
                let other = random.one_of(corpus);
                let from = random.below(other.len() as u64) as usize;
                let end = (from + random.below(256) as usize).min(other.len());
                bytes.splice(place..place, other[from..end].iter().copied());
            }
        }
    }
    bytes
}

/// Calls every function once. Results and errors are both fine; a panic or an endless call is not.
fn exercise(component: &Component, random: &mut Random) {
    let Ok(mut instance) = component.instantiate(&LIMITS) else { return };
    for (name, aggregate) in &component.descriptor.aggregates {
        let Ok(mut state) = instance.start(name.as_str(), "a-1") else { continue };
        for command in aggregate.commands.keys() {
            let command =
                GuestCommand { id: "c-1", name: command.as_str(), payload: b"{}", at_ms: random.number(), actor: None };
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
