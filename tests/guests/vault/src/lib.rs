//! A domain of numbers, texts and free-form values. It records its input unchanged. Some of its commands exceed limits,
//! and some make numbers that JSON does not have.
#![forbid(unsafe_code)]

use polder_sdk::prelude::*;
use serde_json::Value;

/// The number of levels that [`VaultCommand::Wrap`] puts around a value.
const WRAPPED_LEVELS: usize = 40;

#[aggregate("vault")]
#[derive(Debug, Default)]
pub struct Vault {
    balance: f64,
    burden: f64,
    count: u64,
    any: Option<Value>,
    notes: u64,
}

#[derive(Debug, Command)]
pub enum VaultCommand {
    /// The event contains the new balance.
    PayIn {
        amount: f64,
    },
    /// The event may hold an infinity.
    Scale {
        by: f64,
    },
    /// The event is finite; the state may hold an infinity.
    Burden {
        amount: f64,
    },
    Keep {
        any: Value,
    },
    /// The event is nested deeper than the command.
    Wrap {
        any: Value,
    },
    Note {
        text: String,
    },
    /// Leads to `count` events.
    Repeat {
        count: u32,
    },
    /// Leads to a rejection that repeats the text.
    Refuse {
        text: String,
    },
    /// May exceed the maximum of the count.
    Count {
        by: u64,
    },
    /// Panics.
    Fail,
    /// Takes memory and never frees it.
    Leak {
        bytes: usize,
    },
}

#[derive(Debug, Event)]
pub enum VaultEvent {
    PaidIn { amount: f64, balance: f64 },
    Scaled { balance: f64 },
    Burdened { amount: f64 },
    Kept { any: Value },
    Noted { text: String },
    Counted { by: u64 },
}

#[derive(Debug, Rejection)]
pub enum VaultRejection {
    #[rejection("it is refused: {text}")]
    Refused { text: String },
}

impl Aggregate for Vault {
    type Command = VaultCommand;
    type Event = VaultEvent;
    type Rejection = VaultRejection;

    fn handle(&self, command: VaultCommand, _: &Context) -> Result<Vec<VaultEvent>, VaultRejection> {
        use VaultCommand::*;
        Ok(match command {
            PayIn { amount } => vec![VaultEvent::PaidIn { amount, balance: self.balance + amount }],
            Scale { by } => vec![VaultEvent::Scaled { balance: self.balance * by }],
            Burden { amount } => vec![VaultEvent::Burdened { amount }],
            Keep { any } => vec![VaultEvent::Kept { any }],
            Wrap { any } => {
                let wrapped = (0..WRAPPED_LEVELS).fold(any, |any, _| Value::Array(vec![any]));
                vec![VaultEvent::Kept { any: wrapped }]
            }
            Note { text } => vec![VaultEvent::Noted { text }],
            Repeat { count } => (0..count).map(|_| VaultEvent::Counted { by: 1 }).collect(),
            Refuse { text } => return Err(VaultRejection::Refused { text }),
            Count { by } => vec![VaultEvent::Counted { by }],
            Fail => panic!("it fails on purpose"),
            Leak { bytes } => {
                std::mem::forget(vec![1_u8; bytes]);
                vec![VaultEvent::Counted { by: 1 }]
            }
        })
    }

    fn evolve(&mut self, event: &VaultEvent) {
        match event {
            VaultEvent::PaidIn { balance, .. } | VaultEvent::Scaled { balance } => self.balance = *balance,
            VaultEvent::Burdened { amount } => self.burden += amount,
            VaultEvent::Kept { any } => self.any = Some(any.clone()),
            VaultEvent::Noted { .. } => self.notes += 1,
            VaultEvent::Counted { by } => self.count += by,
        }
    }
}

/// The sum of each vault's income. The key is the vault's id.
#[projection("takings")]
#[derive(Debug, Default)]
pub struct Takings {
    amount: f64,
    any: Option<Value>,
}

impl Projection for Takings {
    type Event = VaultEvent;

    fn project(event: &Recorded<VaultEvent>, documents: &mut Documents<Self>) {
        match &event.data {
            VaultEvent::PaidIn { amount, .. } => documents.upsert(&event.aggregate_id, |takings| {
                takings.amount += amount;
                // NaN when the amount is zero.
                let share = amount / amount.abs();
                Effect::new("paid", event.aggregate_id.as_str(), event.position.to_string()).with("sign", share)
            }),
            VaultEvent::Kept { any } => {
                documents.upsert(&event.aggregate_id, |takings| takings.any = Some(any.clone()));
            }
            _ => {}
        }
    }
}

polder_sdk::domain! {
    name: "vault",
    aggregates: [Vault],
    projections: [Takings],
}
