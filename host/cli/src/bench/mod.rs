//! `polder bench`: measures Polder on this machine. Each figure stands beside its floor, the figure without the
//! measured part, from the same run. These are programs, not timed tests: they assert nothing about speed.

mod age;
mod audit;
mod bare;
mod commands;
mod figures;
mod fill;
mod growth;
mod http;
mod in_flight;
mod jetstream;
mod load;
mod native;
mod nats;
mod neighbours;
mod open_loop;
mod options;
mod orders;
mod paced;
mod rebuild;
mod replay;
mod served;
mod spread;
mod start;
mod state;
mod switch;
mod tenants;
mod through;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::failure::Outcome;
use crate::output::Output;

/// Measure this machine; every figure stands beside its floor from the same run.
#[derive(Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
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
    Rebuild(rebuild::Rebuild),
    Start(start::Start),
    Replay(replay::Replay),
    Switch(switch::Switch),
    Tenants(tenants::Tenants),
    Fill(fill::Fill),
}

impl Bench {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        match self.what {
            What::Commands(bench) => bench.run(output),
            What::InFlight(bench) => bench.run(output),
            What::OpenLoop(bench) => bench.run(output),
            What::Http(bench) => bench.run(output),
            What::Age(bench) => bench.run(output),
            What::Growth(bench) => bench.run(output),
            What::Audit(bench) => bench.run(output),
            What::Nats(bench) => bench.run(output),
            What::JetStream(bench) => bench.run(output),
            What::State(bench) => bench.run(output),
            What::Neighbours(bench) => bench.run(output),
            What::Rebuild(bench) => bench.run(output),
            What::Start(bench) => bench.run(output),
            What::Replay(bench) => bench.run(output),
            What::Switch(bench) => bench.run(output),
            What::Tenants(bench) => bench.run(output),
            What::Fill(bench) => bench.run(output),
        }
    }
}

fn component(asked: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    guest(asked, "orders", "--component")
}

/// Reads the file that `option` names, or the guest that is built beside this program.
fn guest(asked: Option<&Path>, name: &str, option: &str) -> anyhow::Result<Vec<u8>> {
    let path = match asked {
        Some(path) => path.to_owned(),
        None => beside_this_program(name).context("cannot find the path of this program")?,
    };
    std::fs::read(&path).with_context(|| {
        format!(
            "cannot read the {name} component {}: build it with `cargo xtask guests`, or name one with {option}",
            path.display()
        )
    })
}

/// The same rules with another digest: adds a custom section that no program reads.
fn another_revision(component: &[u8]) -> Vec<u8> {
    // Id 0, then the length of the rest: a name of one letter.
    [component, &[0, 2, 1, b'x']].concat()
}

/// `target/<profile>/polder` and `target/wasm32-unknown-unknown/guest/orders.wasm` share a target folder.
fn beside_this_program(guest: &str) -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let target = program.parent().and_then(Path::parent)?;
    Some(target.join("wasm32-unknown-unknown").join("guest").join(format!("{guest}.wasm")))
}
