//! The read side: an event of an aggregate with the id `{call}-…` breaks that call. The key of its document is the id.

use std::hint::black_box;

use polder_sdk::__private::glue::bindings::exports::polder::domain::projections::{
    Document, Effect, Guest, GuestDocument,
};
use polder_sdk::__private::glue::bindings::polder::domain::types::{Event, Fault};

use crate::Rogue;
use crate::catalog::mode;

pub struct Board {
    key: String,
    seen: u64,
}

impl GuestDocument for Board {
    fn save(&self) -> Result<Option<Vec<u8>>, Fault> {
        assert!(self.key != "document-traps", "it traps in save");
        loop_if(self.key == "document-loops");
        if self.key == "document-faults" {
            return Err(Fault { message: "it will not be saved".into() });
        }
        let text = if self.key == "document-text" { "no json".into() } else { format!("{{\"seen\":{}}}", self.seen) };
        Ok(Some(text.into_bytes()))
    }
}

impl Guest for Rogue {
    type Document = Board;

    fn route(_: String, events: Vec<Event>) -> Result<Vec<Vec<String>>, Fault> {
        let mut keys = Vec::new();
        for event in events {
            match event.aggregate_id.as_str() {
                "route-traps" => panic!("it traps in route"),
                "route-loops" => loop_if(true),
                "route-wide" => keys.push((0..50_000).map(|number| format!("{number:0>490}")).collect()),
                "route-some" => keys.push((0..2_000).map(|number| format!("{number:0>4}")).collect()),
                "route-faults" => return Err(Fault { message: "it will not route".into() }),
                "route-few" => {}
                "route-empty" => keys.push(vec![String::new()]),
                "route-long" => keys.push(vec!["x".repeat(513)]),
                id => keys.push(vec![id.into()]),
            }
        }
        Ok(keys)
    }

    fn open(_: String, key: String, saved: Option<Vec<u8>>) -> Result<Document, Fault> {
        assert!(key != "open-traps", "it traps in open");
        loop_if(key == "open-loops");
        let digits =
            |saved: Vec<u8>| String::from_utf8_lossy(&saved).chars().filter(char::is_ascii_digit).collect::<String>();
        let seen = saved.and_then(|saved| digits(saved).parse().ok()).unwrap_or_default();
        Ok(Document::new(Board { key, seen }))
    }

    fn apply(mut document: Document, events: Vec<Event>) -> Result<(Document, Vec<Effect>), Fault> {
        let board = document.get_mut::<Board>();
        board.seen += events.len() as u64;
        assert!(mode() != "apply-breaks", "it traps in every apply");
        let position = events.first().map_or(0, |event| event.position);
        let effect = |payload: &[u8]| Effect {
            position,
            kind: "notify".into(),
            target: String::new(),
            key: "k".into(),
            payload: payload.to_vec(),
        };
        match board.key.as_str() {
            "apply-traps" => panic!("it traps in apply"),
            "apply-loops" => {
                loop_if(true);
                Ok((document, Vec::new()))
            }
            "apply-place" => Ok((document, vec![Effect { position: position + 1, ..effect(b"{}") }])),
            "apply-faults" => Err(Fault { message: "it will not apply".into() }),
            "apply-text" => Ok((document, vec![effect(b"no json")])),
            "apply-many" => Ok((document, (0..100_000).map(|_| effect(b"{}")).collect())),
            _ => Ok((document, Vec::new())),
        }
    }
}

fn loop_if(is_wanted: bool) {
    while is_wanted {
        black_box(());
    }
}
