//! A domain with a command for each kind of bad behaviour. The damage must not reach other domains and tenants.
#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::hint::black_box;

use polder_sdk::prelude::*;

/// The bytes that a hoarding machine takes at a time.
const HOARD_BYTES: usize = 1024 * 1024;

#[aggregate("machine")]
#[derive(Debug, Clone, Default)]
pub struct Machine {
    #[serde(serialize_with = "brittle")]
    turns: u64,
}

/// From this number of turns on, the state of a machine cannot be saved.
const TURNS_SAVED_MAX: u64 = 1_000;
/// The largest number of events that one decision may have.
const RUSH_TURNS: usize = 1_000;

fn brittle<S: serde::Serializer>(turns: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    assert!(*turns < TURNS_SAVED_MAX, "brittle on purpose");
    serializer.serialize_u64(*turns)
}

#[derive(Debug, Clone, Command)]
pub enum MachineCommand {
    /// The only good command.
    Turn,
    /// Turns as often as one command may.
    Rush,
    /// Turns once, after a lot of work.
    Toil { rounds: u64 },
    /// Leads to an event that the projection cannot apply.
    Curse,
    /// Panics.
    Break,
    /// Loops forever.
    Spin,
    /// Takes all memory.
    Hoard,
    /// Recurses until the stack overflows.
    Sink,
    /// Decides on more events than any limit allows.
    Flood,
}

#[derive(Debug, Clone, Event)]
pub enum MachineEvent {
    MachineTurned,
    MachineCursed,
}

impl Aggregate for Machine {
    type Command = MachineCommand;
    type Event = MachineEvent;
    type Rejection = Infallible;

    fn handle(&self, command: MachineCommand, _: &Context) -> Result<Vec<MachineEvent>, Infallible> {
        match command {
            MachineCommand::Turn => Ok(vec![MachineEvent::MachineTurned]),
            MachineCommand::Rush => Ok(vec![MachineEvent::MachineTurned; RUSH_TURNS]),
            MachineCommand::Toil { rounds } => {
                for round in 0..rounds {
                    black_box(round);
                }
                Ok(vec![MachineEvent::MachineTurned])
            }
            MachineCommand::Curse => Ok(vec![MachineEvent::MachineCursed]),
            MachineCommand::Break => panic!("broken on purpose"),
            MachineCommand::Spin => loop {
                black_box(());
            },
            MachineCommand::Hoard => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    // Reserved, not filled: filling would use up the fuel first.
                    hoard.push(black_box(Vec::with_capacity(HOARD_BYTES)));
                }
            }
            MachineCommand::Sink => Ok(vec![MachineEvent::MachineTurned; sunk(0) as usize]),
            MachineCommand::Flood => Ok(vec![MachineEvent::MachineTurned; RUSH_TURNS + 1]),
        }
    }

    fn evolve(&mut self, event: &MachineEvent) {
        match event {
            MachineEvent::MachineTurned => self.turns += 1,
            MachineEvent::MachineCursed => {}
        }
    }
}

fn sunk(depth: u64) -> u64 {
    if depth == u64::MAX { depth } else { black_box(sunk(black_box(depth + 1))) + 1 }
}

/// The number of turns of each machine. The key is the machine's id.
#[projection("ledger")]
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    turns: u64,
}

impl Projection for Ledger {
    type Event = MachineEvent;

    fn project(event: &Recorded<MachineEvent>, documents: &mut Documents<Self>) {
        documents.upsert(&event.aggregate_id, |ledger| match event.data {
            MachineEvent::MachineTurned => ledger.turns += 1,
            MachineEvent::MachineCursed => panic!("cursed on purpose"),
        });
    }
}

polder_sdk::domain! {
    name: "saboteur",
    aggregates: [Machine],
    projections: [Ledger],
}
