//! The measurements: each subcommand is a file of its own. Each figure stands beside its floor, the figure without the
//! measured part, from the same run. These are programs, not timed tests: they assert nothing about speed.

mod age;
mod attacks;
mod audit;
mod commands;
mod fill;
mod growth;
mod http;
mod in_flight;
mod jetstream;
mod nats;
mod neighbours;
mod open_loop;
mod rebuild;
mod replay;
mod start;
mod state;
mod switch;
mod tenants;

use clap::Subcommand;

use crate::output::Output;

#[derive(Subcommand)]
pub(crate) enum Measurement {
    Commands(commands::Commands),
    InFlight(in_flight::InFlight),
    OpenLoop(open_loop::OpenLoop),
    Http(http::Http),
    Age(age::Age),
    Growth(growth::Growth),
    Audit(audit::Audit),
    Nats(nats::Nats),
    #[command(name = "jetstream")]
    JetStream(jetstream::JetStream),
    State(state::State),
    Neighbours(neighbours::Neighbours),
    Attacks(attacks::Attacks),
    Rebuild(rebuild::Rebuild),
    Start(start::Start),
    Replay(replay::Replay),
    Switch(switch::Switch),
    Tenants(tenants::Tenants),
    Fill(fill::Fill),
}

impl Measurement {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        match self {
            Self::Commands(measurement) => measurement.run(output),
            Self::InFlight(measurement) => measurement.run(output),
            Self::OpenLoop(measurement) => measurement.run(output),
            Self::Http(measurement) => measurement.run(output),
            Self::Age(measurement) => measurement.run(output),
            Self::Growth(measurement) => measurement.run(output),
            Self::Audit(measurement) => measurement.run(output),
            Self::Nats(measurement) => measurement.run(output),
            Self::JetStream(measurement) => measurement.run(output),
            Self::State(measurement) => measurement.run(output),
            Self::Neighbours(measurement) => measurement.run(output),
            Self::Attacks(measurement) => measurement.run(output),
            Self::Rebuild(measurement) => measurement.run(output),
            Self::Start(measurement) => measurement.run(output),
            Self::Replay(measurement) => measurement.run(output),
            Self::Switch(measurement) => measurement.run(output),
            Self::Tenants(measurement) => measurement.run(output),
            Self::Fill(measurement) => measurement.run(output),
        }
    }
}
