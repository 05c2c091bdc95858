//! `polder-bench commands`: durable commands per second in one process, and the latency for a single caller, beside the
//! floors.

use std::num::NonZeroUsize;
use std::path::Path;

use clap::Args;
use serde::Serialize;

use crate::figures::{Latency, per_second};
use crate::floors::bare_wasmtime::bare;
use crate::load::RunLength;
use crate::load::orders::RECORD_BYTES;
use crate::load::spread::Spread;
use crate::options::{Inputs, LoadShape, LoadSize, Setup};
use crate::output::Output;
use crate::rig::{Rig, Rules, Throughput, Written, written};

/// Rounds of a single caller and of the bare disk in turn, so that a change in the disk's speed affects both.
const ALONE_ROUNDS: usize = 20;
/// Commands, and syncs, per round.
const ALONE_COMMANDS: usize = 200;
/// Syncs of the raw floor with many records per sync.
const FLOOR_SYNCS: usize = 2_000;

/// Measure durable commands per second in this process: `orders` in the sandbox, JSON, fsync before every
/// acknowledgement.
#[derive(Args)]
pub(crate) struct Commands {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    size: LoadSize,
    #[command(flatten)]
    shape: LoadShape,
    #[command(flatten)]
    setup: Setup,
}

#[derive(Serialize)]
struct Report {
    workers: usize,
    tenants: usize,
    aggregates: usize,
    in_flight: usize,
    spread: Spread,
    projections: bool,
    raw_floor: Raw,
    /// The component on plain wasmtime, without limits, journal or queue, on as many threads as there are workers.
    bare_floor_per_second: f64,
    native_floor: Throughput,
    component: Throughput,
    share_of_native: f64,
    written: Option<Written>,
    one_caller: Latency,
    one_caller_p50_per_sync_p50: f64,
    one_caller_p999_per_sync_p999: f64,
}

/// The floor of the disk: writing and syncing, and nothing else.
#[derive(Serialize)]
struct Raw {
    /// One record per sync.
    sync: Latency,
    /// Records per sync: the average of the component's run.
    records_per_sync: usize,
    records_per_second: f64,
}

impl Commands {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let component = self.inputs.component()?;
        let workers = self.setup.workers();
        let ready = |name: &str, rules| {
            Rig::ready(folder.path().join(name), rules, &self.setup, self.size.aggregates, &self.shape)
        };
        let amount = RunLength::Commands(self.size.commands);
        output.note("bare wasmtime …");
        let bare_floor_per_second = bare(&component, workers, self.size.aggregates, self.size.commands)?;
        output.note("native floor …");
        let rig = ready("native", Rules::Native)?;
        let native_floor = rig.run(amount)?;
        rig.close();
        output.note("component …");
        let rig = ready("component", Rules::Component(&component))?;
        let run = rig.run(amount)?;
        output.note("what is written …");
        let written = written(rig, self.size.commands)?;
        output.note("one caller, and the raw floor …");
        let (one_caller, sync) = alone(folder.path(), &component, &self.setup)?;
        let raw_floor = Raw::measure(folder.path(), sync, run.commands_per_sync)?;
        let report = Report {
            workers,
            tenants: self.setup.tenants.get(),
            aggregates: self.size.aggregates,
            in_flight: self.shape.in_flight.get(),
            spread: self.shape.spread,
            projections: self.setup.projections,
            share_of_native: run.commands_per_second / native_floor.commands_per_second,
            one_caller_p50_per_sync_p50: one_caller.p50_us / raw_floor.sync.p50_us,
            one_caller_p999_per_sync_p999: one_caller.p999_us / raw_floor.sync.p999_us,
            raw_floor,
            bare_floor_per_second,
            native_floor,
            component: run,
            written,
            one_caller,
        };
        output.report(&report, || text(&report))
    }
}

/// A single caller that sends each command after the acknowledgement of the one before, and the bare disk with one
/// record per sync.
fn alone(folder: &Path, component: &[u8], setup: &Setup) -> anyhow::Result<(Latency, Latency)> {
    let shape = LoadShape { in_flight: NonZeroUsize::MIN, spread: Spread::One };
    let rig = Rig::ready(folder.join("alone"), Rules::Component(component), setup, 1, &shape)?;
    let (mut commands, mut syncs) = (Vec::new(), Vec::new());
    for round in 0..ALONE_ROUNDS {
        commands.extend(rig.load.run(RunLength::Commands(ALONE_COMMANDS))?.times);
        let raw = folder.join(format!("raw-{round}"));
        std::fs::create_dir_all(&raw)?;
        syncs.extend(polder_journal::baseline::append_and_sync(&raw, RECORD_BYTES, 1, ALONE_COMMANDS)?);
    }
    rig.close();
    Ok((Latency::of(commands), Latency::of(syncs)))
}

impl Raw {
    fn measure(folder: &Path, sync: Latency, commands_per_sync: f64) -> anyhow::Result<Self> {
        let records_per_sync = (commands_per_sync.round() as usize).max(1);
        let grouped = folder.join("raw-grouped");
        std::fs::create_dir_all(&grouped)?;
        let group = polder_journal::baseline::append_and_sync(&grouped, RECORD_BYTES, records_per_sync, FLOOR_SYNCS)?;
        let records_per_second = per_second(records_per_sync * group.len(), group.iter().sum());
        Ok(Self { sync, records_per_sync, records_per_second })
    }
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{} workers, {} tenants, {} aggregates, {} in flight, {:?}, projections {}\n\n",
        report.workers,
        report.tenants,
        report.aggregates,
        report.in_flight,
        report.spread,
        if report.projections { "on" } else { "off" }
    );
    let raw = format!("raw append and sync, {} records each", report.raw_floor.records_per_sync);
    text.push_str(&format!("{raw:<42}{:>12.0} records/s\n", report.raw_floor.records_per_second));
    text.push_str(&format!("{:<42}{:>12.0} commands/s\n", "component on bare wasmtime", report.bare_floor_per_second));
    text.push_str(&report.native_floor.line("native rules, same pipeline"));
    text.push_str(&report.component.line("component"));
    text.push_str(&format!("\nshare of the native floor          {:.2}\n", report.share_of_native));
    if let Some(written) = &report.written {
        text.push_str(&format!(
            "written per byte of payload        {:.2}; per byte of journal {:.2}\n",
            written.written_per_payload_byte, written.written_per_journal_byte
        ));
    }
    text.push_str(&format!("raw append and sync, one record    {}\n", report.raw_floor.sync));
    text.push_str(&format!("one caller alone, component        {}\n", report.one_caller));
    text.push_str(&format!(
        "one caller / sync                  p50 {:.2}, p99.9 {:.2}\n",
        report.one_caller_p50_per_sync_p50, report.one_caller_p999_per_sync_p999
    ));
    text
}
