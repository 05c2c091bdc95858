//! The next revision of `lamps`, in which the event of a lit lamp records its power. Other differences depend on its
//! make. The tests choose the make by overwriting it in the built file, so one build gives a good revision and several
//! bad ones.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::hint::black_box;

use polder_sdk::prelude::*;

/// All makes have the same length: `changes`, `panics `.
static MAKE: &str = "the make: regular";
/// The make `panics ` panics after a lamp has been lit this many times.
const TURNS_BORNE_MAX: u64 = 5;

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
    #[event(version = 2, upcast(1 = usual))]
    LampLit {
        watts: u32,
    },
    LampDarkened,
}

/// Version 1 of `lamp-lit` has no fields.
#[data]
struct LampLit1 {}

fn usual(LampLit1 {}: LampLit1) -> LampEvent {
    LampEvent::LampLit { watts: 60 }
}

impl Aggregate for Lamp {
    type Command = LampCommand;
    type Event = LampEvent;
    type Rejection = Infallible;

    fn handle(&self, command: LampCommand, _: &Context) -> Result<Vec<LampEvent>, Infallible> {
        Ok(vec![match command {
            LampCommand::LightLamp => LampEvent::LampLit { watts: 40 },
            LampCommand::DarkenLamp => LampEvent::LampDarkened,
        }])
    }

    fn evolve(&mut self, event: &LampEvent) {
        match event {
            LampEvent::LampLit { .. } => {
                self.mode = Mode::Glowing;
                self.turns += if is_make("changes") { 2 } else { 1 };
                assert!(self.turns <= TURNS_BORNE_MAX || !is_make("panics "), "lit too often");
            }
            LampEvent::LampDarkened => self.mode = Mode::Dark,
        }
    }
}

fn is_make(name: &str) -> bool {
    // `black_box` hides the value from the compiler, so that the overwritten bytes count.
    black_box(MAKE).ends_with(name)
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
