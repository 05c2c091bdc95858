//! The orders of the peers and of the tutorial lead to the same decisions, command for command.

use peers_common::orders::{Order, OrderCommand};
use polder_sdk::CommandRef;
use serde_json::{Value, json};

const COMMANDS: [(&str, &str); 14] = [
    ("draft-order", r#"{"customer":"c-1"}"#),
    ("add-line", r#"{"sku":"TEA-250","quantity":2,"price":1999}"#),
    ("add-line", r#"{"sku":"CUP-1","quantity":1,"price":0}"#),
    ("add-line", r#"{"sku":"tea","quantity":1,"price":1}"#),
    ("add-line", r#"{"sku":"TEA-250","quantity":0,"price":1}"#),
    ("remove-line", r#"{"sku":"TEA-250"}"#),
    ("remove-line", r#"{"sku":"CUP-1"}"#),
    ("remove-line", "{}"),
    ("submit-order", "{}"),
    ("validate-order", "{}"),
    ("fulfil-order", "{}"),
    ("cancel-order", "{}"),
    ("cancel-order", r#"{"reason":"changed my mind"}"#),
    ("frame-order", "{}"),
];

/// xorshift: the same histories on every run.
fn next(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed as usize
}

#[test]
fn the_same_histories_come_of_the_same_commands() {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..500 {
        let mut theirs = Order::default();
        let mut ours = orders::domain().start("order", "o-1").unwrap();
        for number in 0..12 {
            // The first command is mostly a draft, because most histories would stay empty otherwise.
            let (name, payload) =
                COMMANDS[if number == 0 { next(&mut seed) % 3 / 2 } else { next(&mut seed) % COMMANDS.len() }];
            let command =
                CommandRef { id: "c", name, payload: payload.as_bytes(), at_ms: 1_700_000_000_000, actor: None };
            let ours = ours.handle(&command).ok().map(|events| {
                events.iter().map(|event| json!({ event.name: from(&event.payload) })).collect::<Vec<_>>()
            });
            let decided = OrderCommand::read(name, payload).and_then(|command| theirs.decide(&command)).ok();
            let recorded = decided.clone().map(|event| vec![serde_json::to_value(event).unwrap()]);
            assert_eq!(recorded, ours, "{name} {payload} as command {number}, on {theirs:?}");
            match decided {
                Some(event) => {
                    assert_eq!(recorded.unwrap()[0].as_object().unwrap().keys().next().unwrap(), event.name());
                    accepted += 1;
                    theirs.apply(event);
                }
                None => refused += 1,
            }
        }
    }
    assert!(
        accepted > 500 && refused > 500,
        "{accepted} accepted, {refused} refused: too few of one kind to say anything"
    );
}

fn from(payload: &[u8]) -> Value {
    serde_json::from_slice(payload).unwrap()
}
