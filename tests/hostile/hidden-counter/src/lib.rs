//! A domain with a counter outside its events: the number of calls of this instance, which no journal records. It
//! works, but its answers depend on earlier calls by others.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use polder_sdk::prelude::*;

static ASKED: AtomicU64 = AtomicU64::new(0);

#[aggregate("meter")]
#[derive(Debug, Clone, Default)]
pub struct Meter {
    read: u64,
    sum: u64,
}

#[derive(Debug, Clone, Command)]
pub enum MeterCommand {
    /// Puts the count into the event.
    Report,
    /// Puts the count into the state only.
    Keep,
    /// Puts the count nowhere.
    Read,
}

#[derive(Debug, Clone, Event)]
pub enum MeterEvent {
    MeterReported { count: u64 },
    MeterKept,
    MeterRead,
}

impl Aggregate for Meter {
    type Command = MeterCommand;
    type Event = MeterEvent;
    type Rejection = Infallible;

    fn handle(&self, command: MeterCommand, _: &Context) -> Result<Vec<MeterEvent>, Infallible> {
        let count = ASKED.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(vec![match command {
            MeterCommand::Report => MeterEvent::MeterReported { count },
            MeterCommand::Keep => MeterEvent::MeterKept,
            MeterCommand::Read => MeterEvent::MeterRead,
        }])
    }

    fn evolve(&mut self, event: &MeterEvent) {
        self.read += 1;
        if let MeterEvent::MeterKept = event {
            self.sum += ASKED.load(Ordering::Relaxed);
        }
    }
}

polder_sdk::domain! {
    name: "hidden-counter",
    aggregates: [Meter],
}
