//! The write side. The command selects what is broken. An aggregate with the id `{call}-traps` traps in that call,
//! `{call}-loops` never returns from it, and `{call}-hoards` takes all memory. With `{call}-dropped`, `{call}-made-up`
//! and `{call}-foreign` the call returns a handle that was dropped, that never existed, or that is a document's.

#![allow(unsafe_code, reason = "to break what the types would keep whole")]

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use polder_sdk::__private::glue::bindings::exports::polder::domain::aggregates::{Guest, GuestState, State};
use polder_sdk::__private::glue::bindings::polder::domain::types::{Command, Event, Fault, NewEvent, Rejection};

use crate::catalog::hoard;
use crate::{Rogue, notes, numbers, projections};

/// The bytes that one turn of `swell` takes and never frees.
const SWELL_BYTES: usize = 8 * 1024 * 1024;
const WIDE_BYTES: usize = 64 * 1024;
/// With events of [`WIDE_BYTES`], this is a gigabyte.
const GIGABYTE_EVENTS: usize = 16 * 1024;
const TEN_MILLION: usize = 10_000_000;
/// More than the number of events after which a state that leaves memory is saved.
const MANY_EVENTS: usize = 40;
/// More work than a call may do on the fast lane.
const TOIL_ROUNDS: u64 = 5_000_000;
/// A little less than a state may have by default.
const WIDE_STATE_BYTES: usize = 15 * 1024 * 1024;
/// More handles than any test has.
pub(crate) const MADE_UP_HANDLE: u32 = 4_000_000;

pub struct Thing {
    id: String,
    done: u64,
    ballast: RefCell<Vec<Vec<u8>>>,
}

impl Thing {
    fn trap_in(&self, call: &str) {
        match self.id.strip_prefix(call) {
            Some("-traps") => panic!("it traps in {call}"),
            Some("-loops") => loop {
                black_box(());
            },
            Some("-hoards") => hoard(),
            _ => {}
        }
    }
}

/// The handle of a new state.
pub(crate) fn state_handle() -> u32 {
    State::new(Thing { id: String::new(), done: 0, ballast: RefCell::default() }).take_handle()
}

/// The state itself, unless the id of its aggregate is `{call}-` and a lie.
fn or_a_lie(call: &str, state: State) -> State {
    let id = state.get::<Thing>().id.clone();
    lie(id.strip_prefix(call).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default(), state)
}

fn lie(kind: &str, state: State) -> State {
    // SAFETY: none. None of these handles is the caller's.
    match kind {
        "dropped" => {
            let handle = state.handle();
            drop(state);
            unsafe { State::from_handle(handle) }
        }
        "made-up" => unsafe { State::from_handle(MADE_UP_HANDLE) },
        "foreign" => unsafe { State::from_handle(projections::document_handle()) },
        _ => state,
    }
}

impl GuestState for Thing {
    fn save(&self) -> Result<Vec<u8>, Fault> {
        self.trap_in("save");
        match self.id.as_str() {
            "save-grows" => Ok(vec![b' '; 1024 * 1024 * self.done as usize]),
            "save-faults" => Err(Fault { message: "it will not be saved".into() }),
            _ => Ok(self.done.to_string().into_bytes()),
        }
    }

    fn inspect(&self) -> Result<String, Fault> {
        self.trap_in("inspect");
        match self.id.as_str() {
            "inspect-text" => Ok("no json".into()),
            "inspect-faults" => Err(Fault { message: "it will not be looked at".into() }),
            "inspect-wide" => Ok(format!("\"{}\"", "x".repeat(WIDE_STATE_BYTES))),
            _ => Ok(format!("{{\"done\":{}}}", self.done)),
        }
    }
}

impl Guest for Rogue {
    type State = Thing;

    fn start(_: String, id: String) -> Result<State, Fault> {
        let thing = Thing { id, done: 0, ballast: RefCell::default() };
        thing.trap_in("start");
        if thing.id == "start-faults" {
            return Err(Fault { message: "it will not begin".into() });
        }
        Ok(or_a_lie("start", State::new(thing)))
    }

    fn load(_: String, id: String, saved: Vec<u8>) -> Result<State, Fault> {
        let done = String::from_utf8(saved).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        let thing = Thing { id, done, ballast: RefCell::default() };
        thing.trap_in("load");
        if thing.id == "load-faults" {
            return Err(Fault { message: "it will not be loaded".into() });
        }
        Ok(or_a_lie("load", State::new(thing)))
    }

    fn evolve(mut state: State, events: Vec<Event>) -> Result<State, Fault> {
        let thing = state.get_mut::<Thing>();
        thing.trap_in("evolve");
        if thing.id == "evolve-faults" {
            return Err(Fault { message: "it will not fold".into() });
        }
        thing.done += events.len() as u64;
        Ok(or_a_lie("evolve", state))
    }

    fn handle(mut state: State, command: Command) -> Result<(State, Result<Vec<NewEvent>, Rejection>), Fault> {
        static LAST_HANDLE: AtomicU32 = AtomicU32::new(0);
        let before = LAST_HANDLE.swap(state.handle(), Ordering::Relaxed);
        let answer = match command.name.as_str() {
            "numbers" => Ok(vec![event("numbers-found", 1, numbers::found())]),
            "no-json" => Ok(vec![done(b"no json")]),
            "no-utf8" => Ok(vec![done(b"\"\xff\xfe\"")]),
            "deep-json" => Ok(vec![done(&[[b'['; 121], [b']'; 121]].concat())]),
            "wrong-name" => Ok(vec![event("thing-undone", 2, b"{}".to_vec())]),
            // SAFETY: none. The host must survive this undefined behaviour.
            "name-no-utf8" => Ok(vec![NewEvent {
                name: unsafe { String::from_utf8_unchecked(vec![0xff, 0xfe]) },
                version: 2,
                payload: b"{}".to_vec(),
            }]),
            "old-version" => Ok(vec![event("thing-done", 1, b"{}".to_vec())]),
            "new-version" => Ok(vec![event("thing-done", 3, b"{}".to_vec())]),
            "wide-event" => Ok(vec![done(format!("\"{}\"", "x".repeat(WIDE_BYTES)).as_bytes())]),
            "too-many" => Ok((0..1_001).map(|_| done(b"{}")).collect()),
            "gigabyte" => Ok(gigabyte()),
            "ten-million" => Ok((0..TEN_MILLION)
                .map(|_| NewEvent { name: String::new(), version: 2, payload: Vec::new() })
                .collect()),
            "bad-code" => Err(Rejection { code: "two words".into(), message: "no".into() }),
            "long-message" => Err(Rejection { code: "no".into(), message: "x".repeat(5_000) }),
            // SAFETY: none. The handle was passed to the host in another call.
            "returned-twice" => return Ok((unsafe { State::from_handle(before) }, Ok(Vec::new()))),
            kind @ ("dropped" | "made-up" | "foreign") => return Ok((lie(kind, state), Ok(Vec::new()))),
            "many" => Ok((0..MANY_EVENTS).map(|_| done(b"{}")).collect()),
            "toil" => {
                for round in 0..TOIL_ROUNDS {
                    black_box(round);
                }
                Ok((0..MANY_EVENTS).map(|_| done(b"{}")).collect())
            }
            "note-flood" => {
                notes::flood();
                Ok(vec![done(b"{}")])
            }
            "swell" => {
                let thing = state.get::<Thing>();
                thing.ballast.borrow_mut().push(black_box(vec![1; SWELL_BYTES]));
                Ok(vec![done(b"{}")])
            }
            "fill" => fill(),
            "loop" => loop {
                black_box(());
            },
            "recurse" => Ok(vec![done(deeper(0).to_string().as_bytes())]),
            "grow" => {
                hoard();
                Ok(Vec::new())
            }
            "trap" => panic!("it traps on purpose"),
            "fault" => return Err(Fault { message: "it will not decide".into() }),
            _ => Ok(vec![done(b"{}")]),
        };
        if let Ok(events) = &answer {
            state.get_mut::<Thing>().done += events.len() as u64;
        }
        Ok((state, answer))
    }
}

fn event(name: &str, version: u32, payload: Vec<u8>) -> NewEvent {
    NewEvent { name: name.into(), version, payload }
}

fn done(payload: &[u8]) -> NewEvent {
    event("thing-done", 2, payload.to_vec())
}

/// Events that are larger than the guest's memory: all payloads share the same bytes.
fn gigabyte() -> Vec<NewEvent> {
    let bytes: &'static mut [u8] = Vec::leak(vec![b'1'; WIDE_BYTES]);
    let (start, length) = (bytes.as_mut_ptr(), bytes.len());
    // SAFETY: none. The bytes would be freed once per event, but the host never gets that far.
    let shared = || unsafe { Vec::from_raw_parts(start, length, length) };
    (0..GIGABYTE_EVENTS).map(|_| event("thing-done", 2, shared())).collect()
}

/// One instruction fills all of the memory, again and again.
fn fill<T>() -> Result<Vec<NewEvent>, T> {
    let mut memory = vec![0_u8; 24 * 1024 * 1024];
    loop {
        let byte = black_box(memory[0]).wrapping_add(1);
        memory.fill(byte);
        black_box(&mut memory);
    }
}

fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX { depth } else { black_box(deeper(black_box(depth + 1))) + 1 }
}
