//! The read side: an event of an aggregate with the id `{call}-…` breaks that call, and the key of its document is the
//! id. The endings have the same meanings as on the write side.

#![allow(unsafe_code, reason = "to break what the types would keep whole")]

use std::hint::black_box;

use polder_sdk::__private::glue::bindings::exports::polder::domain::projections::{
    Document, Effect, Guest, GuestDocument,
};
use polder_sdk::__private::glue::bindings::polder::domain::types::{Event, Fault};

use crate::Rogue;
use crate::aggregates::{MADE_UP_HANDLE, state_handle};
use crate::catalog::{hoard, mode};

pub struct Board {
    key: String,
    seen: u64,
}

impl Board {
    fn with_text(&self, bytes: usize) -> String {
        format!("{{\"seen\":{},\"text\":\"{}\"}}", self.seen, "x".repeat(bytes))
    }
}

impl GuestDocument for Board {
    fn save(&self) -> Result<Option<Vec<u8>>, Fault> {
        fail_in("document", &self.key)?;
        let text = match self.key.as_str() {
            "document-text" => "no json".into(),
            key if key.starts_with("wide-") => self.with_text(WIDE_DOCUMENT_BYTES),
            key if key.starts_with("vast-") => self.with_text(VAST_DOCUMENT_BYTES),
            _ => format!("{{\"seen\":{}}}", self.seen),
        };
        Ok(Some(text.into_bytes()))
    }
}

impl Guest for Rogue {
    type Document = Board;

    fn route(_: String, events: Vec<Event>) -> Result<Vec<Vec<String>>, Fault> {
        let mut keys: Vec<Vec<String>> = Vec::new();
        for event in events {
            fail_in("route", &event.aggregate_id)?;
            match event.aggregate_id.as_str() {
                "route-wide" => keys.push((0..50_000).map(|number| format!("{number:0>490}")).collect()),
                "route-much" => keys.push((0..2_000).map(|number| format!("{number:0>490}")).collect()),
                "route-some" => keys.push((0..2_000).map(|number| format!("{number:0>4}")).collect()),
                "route-failing" => keys.push((0..20).map(|number| format!("fails-{number:0>2}")).collect()),
                "route-few" => {}
                "route-more" => keys.extend([Vec::new(), Vec::new()]),
                "route-empty" => keys.push(vec![String::new()]),
                "route-long" => keys.push(vec!["x".repeat(513)]),
                id => keys.push(vec![id.into()]),
            }
        }
        Ok(keys)
    }

    fn open(_: String, key: String, saved: Option<Vec<u8>>) -> Result<Document, Fault> {
        fail_in("open", &key)?;
        let digits =
            |saved: Vec<u8>| String::from_utf8_lossy(&saved).chars().filter(char::is_ascii_digit).collect::<String>();
        let seen = saved.and_then(|saved| digits(saved).parse().ok()).unwrap_or_default();
        Ok(or_a_lie("open", Document::new(Board { key, seen })))
    }

    fn apply(mut document: Document, events: Vec<Event>) -> Result<(Document, Vec<Effect>), Fault> {
        let board = document.get_mut::<Board>();
        board.seen += events.len() as u64;
        assert!(mode() != "apply-breaks", "it traps in every apply");
        fail_in("apply", &board.key)?;
        let position = events.first().map_or(0, |event| event.position);
        let effect = |payload: &[u8]| Effect {
            position,
            kind: "notify".into(),
            target: String::new(),
            key: "k".into(),
            payload: payload.to_vec(),
        };
        let effects = match board.key.as_str() {
            "apply-place" => vec![Effect { position: position + 1, ..effect(b"{}") }],
            "apply-text" => vec![effect(b"no json")],
            "apply-many" => (0..100_000).map(|_| effect(b"{}")).collect(),
            key if key.starts_with("fails-") => return Err(Fault { message: format!("it fails for {key}") }),
            "apply-wide" => (0..WIDE_EFFECTS).map(|number| wide_effect(position, number)).collect(),
            _ => Vec::new(),
        };
        Ok((or_a_lie("apply", document), effects))
    }
}

/// Two of these documents are on one page.
const WIDE_DOCUMENT_BYTES: usize = 1_500_000;
/// A little less than a document may have by default.
const VAST_DOCUMENT_BYTES: usize = 15 * 1024 * 1024;
/// Effects of [`WIDE_EFFECT_BYTES`] each, more than one page of effects may have.
const WIDE_EFFECTS: usize = 100;
const WIDE_EFFECT_BYTES: usize = 60_000;

fn wide_effect(position: u64, number: usize) -> Effect {
    let payload = format!("\"{}\"", "x".repeat(WIDE_EFFECT_BYTES)).into_bytes();
    Effect { position, kind: "notify".into(), target: String::new(), key: format!("{position}-{number}"), payload }
}

/// Traps, loops, hoards or returns a fault when the key is that of this call.
fn fail_in(call: &str, key: &str) -> Result<(), Fault> {
    match key.strip_prefix(call) {
        Some("-traps") => panic!("it traps in {call}"),
        Some("-loops") => loop {
            black_box(());
        },
        Some("-hoards") => hoard(),
        Some("-faults") => return Err(Fault { message: format!("it reports a fault in {call}") }),
        _ => {}
    }
    Ok(())
}

/// The handle of a new document.
pub(crate) fn document_handle() -> u32 {
    Document::new(Board { key: String::new(), seen: 0 }).take_handle()
}

/// The document itself, unless its key is `{call}-` and a lie.
fn or_a_lie(call: &str, document: Document) -> Document {
    let key = document.get::<Board>().key.clone();
    // SAFETY: none. None of these handles is the caller's.
    match key.strip_prefix(call).unwrap_or_default() {
        "-dropped" => {
            let handle = document.handle();
            drop(document);
            unsafe { Document::from_handle(handle) }
        }
        "-made-up" => unsafe { Document::from_handle(MADE_UP_HANDLE) },
        "-foreign" => unsafe { Document::from_handle(state_handle()) },
        // A good handle, but of another document.
        "-other" => Document::new(Board { key, seen: 1_000_000 }),
        _ => document,
    }
}
