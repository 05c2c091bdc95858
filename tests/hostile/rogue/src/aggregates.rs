//! The write side. The command selects what is broken. An aggregate with the id `{call}-traps` traps in that call,
//! `{call}-loops` never returns from it, and `{call}-hoards` takes all memory.

#![allow(unsafe_code, reason = "to break what the types would keep whole")]

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU32, Ordering};

use polder_sdk::__private::glue::bindings::exports::polder::domain::aggregates::{Guest, GuestState, State};
use polder_sdk::__private::glue::bindings::polder::domain::types::{Command, Event, Fault, NewEvent, Rejection};

use crate::catalog::hoard;
use crate::{Rogue, numbers};

/// The bytes that one turn of `swell` takes and never frees.
const SWELL_BYTES: usize = 8 * 1024 * 1024;
const WIDE_BYTES: usize = 64 * 1024;
/// With events of [`WIDE_BYTES`], this is a gigabyte.
const GIGABYTE_EVENTS: usize = 16 * 1024;
const TEN_MILLION: usize = 10_000_000;

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
        Ok(State::new(thing))
    }

    fn load(_: String, id: String, saved: Vec<u8>) -> Result<State, Fault> {
        let done = String::from_utf8(saved).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        let thing = Thing { id, done, ballast: RefCell::default() };
        thing.trap_in("load");
        Ok(State::new(thing))
    }

    fn evolve(mut state: State, events: Vec<Event>) -> Result<State, Fault> {
        let thing = state.get_mut::<Thing>();
        thing.trap_in("evolve");
        if thing.id == "evolve-faults" {
            return Err(Fault { message: "it will not fold".into() });
        }
        thing.done += events.len() as u64;
        Ok(state)
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
            // SAFETY: none. The handle was passed to the host in another call, or was dropped, or never existed.
            "returned-twice" => return Ok((unsafe { State::from_handle(before) }, Ok(Vec::new()))),
            "dropped" => {
                let handle = state.handle();
                drop(state);
                return Ok((unsafe { State::from_handle(handle) }, Ok(Vec::new())));
            }
            "made-up" => return Ok((unsafe { State::from_handle(4_000_000) }, Ok(Vec::new()))),
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
