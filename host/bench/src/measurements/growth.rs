//! `polder-bench growth`: whether a host gets slower the more it has stored. The same orders are active, once as the
//! only ones and once among very many.

use std::path::Path;
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use crate::figures::{per_second, resident_bytes};
use crate::load::RunLength;
use crate::options::{History, Inputs, LoadShape, Setup};
use crate::output::Output;
use crate::rig::{Rig, Rules};

/// Rounds on the full and on the empty store in turn, so that a change in the machine's speed affects both.
const ROUNDS: usize = 10;

/// Compare throughput with a long stored history to throughput on an empty store.
#[derive(Args)]
pub(crate) struct Growth {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    history: History,
    /// Commands to time on each store, at least.
    #[arg(long, default_value_t = 1_000_000)]
    commands: usize,
    /// Number of active orders among all orders.
    #[arg(long, default_value_t = 10_000)]
    at_work: usize,
    #[command(flatten)]
    shape: LoadShape,
    #[command(flatten)]
    setup: Setup,
}

#[derive(Serialize)]
struct Report {
    events: usize,
    aggregates: usize,
    at_work: usize,
    in_flight: usize,
    history_events_per_second: f64,
    /// Resident memory of the host right after it wrote the history.
    resident_bytes: Option<u64>,
    /// Size of the data folder, preallocated space included.
    stored_bytes: u64,
    empty_per_second: f64,
    full_per_second: f64,
    full_per_empty: f64,
}

impl Growth {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let component = self.inputs.component()?;
        let rules = Rules::Component(&component);
        if self.history.aggregates < self.at_work {
            bail!("there are fewer orders than --at-work asks for");
        }
        output.note("writing the history …");
        let full_dir = folder.path().join("full");
        let full = Rig::open(full_dir.clone(), rules, &self.setup, self.history.aggregates, &self.shape)?;
        let written = full.load.write_history(self.history.events)?;
        let (resident_bytes, stored_bytes) = (resident_bytes(), bytes_in(&full_dir)?);
        full.load.orders.turn_to(0..self.at_work);
        // The active orders have left memory meanwhile, as idle orders do. This loads them again.
        full.load.run(RunLength::Commands(self.at_work))?;
        let empty = Rig::ready(folder.path().join("empty"), rules, &self.setup, self.at_work, &self.shape)?;
        let commands = RunLength::Commands(self.commands.div_ceil(ROUNDS));
        let (mut empty_took, mut full_took) = (Duration::ZERO, Duration::ZERO);
        for round in 0..ROUNDS {
            output.note(&format!("round {} of {ROUNDS} …", round + 1));
            empty_took += empty.load.run(commands)?.took;
            full_took += full.load.run(commands)?.took;
        }
        empty.close();
        full.close();
        let rate = |took| per_second(self.commands.div_ceil(ROUNDS) * ROUNDS, took);
        let report = Report {
            events: self.history.events,
            aggregates: self.history.aggregates,
            at_work: self.at_work,
            in_flight: self.shape.in_flight.get(),
            history_events_per_second: per_second(written.commands, written.took),
            resident_bytes,
            stored_bytes,
            empty_per_second: rate(empty_took),
            full_per_second: rate(full_took),
            full_per_empty: rate(full_took) / rate(empty_took),
        };
        output.report(&report, || text(&report))
    }
}

fn bytes_in(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        // The index may delete a file at this moment.
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() { bytes_in(&entry.path()).unwrap_or_default() } else { metadata.len() };
    }
    Ok(bytes)
}

fn text(report: &Report) -> String {
    let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
    let mut text = format!(
        "{} events of {} aggregates, written at {:.0} events/s; {:.0} MiB stored\n",
        report.events,
        report.aggregates,
        report.history_events_per_second,
        mib(report.stored_bytes)
    );
    if let Some(resident_bytes) = report.resident_bytes {
        text.push_str(&format!("resident memory {:.0} MiB\n", mib(resident_bytes)));
    }
    text.push_str(&format!(
        "\n{} aggregates at work, {} in flight\n\nempty store          {:>12.0} commands/s\nfull store           {:>12.0} commands/s\nfull / empty         {:>12.2}\n",
        report.at_work, report.in_flight, report.empty_per_second, report.full_per_second, report.full_per_empty
    ));
    text
}
