//! The start of an instance and its description of itself. The mark in its bytes selects the behaviour.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};

use polder_sdk::__private::glue::bindings::exports::polder::domain::catalog::Guest;

use crate::Rogue;

/// Tests overwrite the part after the equals sign with another mode of the same length.
#[used]
static MARK: [u8; 28] = *b"rogue-mode=good-............";
const PREFIX_BYTES: usize = 11;

const DESCRIPTOR: &str = r#"{"format":1,"domain":"rogue","aggregates":{"thing":{"commands":{
    "do":{"schema":{}},"numbers":{"schema":{}},"no-json":{"schema":{}},"no-utf8":{"schema":{}},"deep-json":{"schema":{}},
    "wrong-name":{"schema":{}},"name-no-utf8":{"schema":{}},"old-version":{"schema":{}},"new-version":{"schema":{}},
    "wide-event":{"schema":{}},"too-many":{"schema":{}},"gigabyte":{"schema":{}},"ten-million":{"schema":{}},
    "bad-code":{"schema":{}},"long-message":{"schema":{}},"returned-twice":{"schema":{}},"dropped":{"schema":{}},
    "made-up":{"schema":{}},"foreign":{"schema":{}},"many":{"schema":{}},"toil":{"schema":{}},
    "note-flood":{"schema":{}},"swell":{"schema":{}},"fill":{"schema":{}},"loop":{"schema":{}},"recurse":{"schema":{}},
    "grow":{"schema":{}},"trap":{"schema":{}},"fault":{"schema":{}}},
    "events":{"thing-done":{"version":2,"reads":[1,2],"schema":{}},"numbers-found":{"version":1,"reads":[1],"schema":{}}}}},
    "projections":{"board":{"schema":{}}}}"#;

/// More than a descriptor may have.
const LONG_BYTES: usize = 3 * 1024 * 1024;
/// More than any memory limit in the tests.
const HUGE_BYTES: usize = 512 * 1024 * 1024;

pub(crate) fn mode() -> &'static str {
    let mark: &'static [u8] = black_box(&MARK);
    let mode = str::from_utf8(&mark[PREFIX_BYTES..]).unwrap_or("no-text");
    mode.trim_end_matches('.').trim_end_matches('-')
}

/// Runs when an instance is made.
#[allow(unsafe_code, reason = "the name is what the encoder looks for")]
#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    match mode() {
        "start-loops" => loop {
            black_box(());
        },
        "start-traps" => panic!("it will not start"),
        "start-grows" => hoard(),
        _ => {}
    }
}

impl Guest for Rogue {
    fn describe() -> String {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let calls = CALLS.fetch_add(1, Ordering::Relaxed);
        match mode() {
            "describe-traps" => panic!("it will not say"),
            "describe-loops" => loop {
                black_box(());
            },
            "describe-grows" => {
                hoard();
                String::new()
            }
            "describe-text" => "no json".into(),
            "describe-long" => format!("{DESCRIPTOR}{}", " ".repeat(LONG_BYTES)),
            "describe-2-way" => DESCRIPTOR.replace("rogue", &format!("rogue-{calls}")),
            "describe-format" => DESCRIPTOR.replace("\"format\":1", "\"format\":2"),
            "describe-name" => DESCRIPTOR.replace("rogue", "No Name"),
            "describe-reads" => DESCRIPTOR.replace("[1,2]", "[2,1]"),
            "describe-word" => DESCRIPTOR.replace("rogue", "admin"),
            // Fifty projections, as a hostile tenant might have.
            "crowd" => with_projections(50),
            // Far more than a domain may have, in a descriptor that is not too long.
            "many-projections" => with_projections(50_000),
            _ => DESCRIPTOR.into(),
        }
    }
}

fn with_projections(count: usize) -> String {
    let boards: Vec<String> = (0..count).map(|number| format!("\"board-{number}\":{{\"schema\":{{}}}}")).collect();
    DESCRIPTOR.replace("\"board\":{\"schema\":{}}", &boards.join(","))
}

pub(crate) fn hoard() {
    let mut hoard = Vec::new();
    while hoard.len() < HUGE_BYTES / 1_048_576 {
        hoard.push(black_box(Vec::<u8>::with_capacity(1_048_576)));
    }
    black_box(&hoard);
}
