//! Lamps that are lit and put out: the first revision of a domain whose revisions the tests exchange.
#![forbid(unsafe_code)]

use std::convert::Infallible;

use polder_sdk::prelude::*;

#[aggregate("lamp", chart = mode)]
#[derive(Debug, Clone, Default)]
pub struct Lamp {
    mode: Mode,
    /// The number of times that it was lit.
    turns: u64,
}

#[data]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, StateChart)]
#[chart(aggregate = Lamp)]
pub enum Mode {
    #[default]
    #[on(LightLamp -> LampLit -> Glowing)]
    Dark,
    #[on(DarkenLamp -> LampDarkened -> Dark)]
    Glowing,
}

#[derive(Debug, Clone, Command)]
pub enum LampCommand {
    LightLamp,
    DarkenLamp,
}

#[derive(Debug, Clone, Event)]
pub enum LampEvent {
    LampLit,
    LampDarkened,
}

impl Aggregate for Lamp {
    type Command = LampCommand;
    type Event = LampEvent;
    type Rejection = Infallible;

    fn handle(&self, command: LampCommand, _: &Context) -> Result<Vec<LampEvent>, Infallible> {
        Ok(vec![match command {
            LampCommand::LightLamp => LampEvent::LampLit,
            LampCommand::DarkenLamp => LampEvent::LampDarkened,
        }])
    }

    fn evolve(&mut self, event: &LampEvent) {
        match event {
            LampEvent::LampLit => {
                self.mode = Mode::Glowing;
                self.turns += 1;
            }
            LampEvent::LampDarkened => self.mode = Mode::Dark,
        }
    }
}

/// The number of changes of each lamp.
#[projection("switches")]
#[derive(Default)]
pub struct Switches {
    times: u64,
}

impl Projection for Switches {
    type Event = LampEvent;

    fn project(event: &Recorded<LampEvent>, documents: &mut Documents<Self>) {
        documents.upsert(&event.aggregate_id, |switches| switches.times += 1);
    }
}

polder_sdk::domain! {
    name: "lamps",
    aggregates: [Lamp],
    projections: [Switches],
}
