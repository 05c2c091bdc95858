//! `polder bench commands`: durable commands per second in one process, and what one caller alone waits, beside the floors.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use polder_core::TenantName;
use polder_engine::{DeployOptions, Host, HostOptions, MAIN_TENANT};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::Place;
use super::figures::{Latency, per_second};
use super::load::Load;
use super::native::NativeRules;
use crate::failure::Outcome;
use crate::output::Output;

/// A typical record of this load in the journal, in bytes: what the raw floor writes per command.
const RECORD_BYTES: usize = 300;
/// One caller alone, and the disk alone, take turns this many times: a disk that changes its pace meets both.
const ALONE_ROUNDS: usize = 20;
/// Commands, and syncs, in each round.
const ALONE_COMMANDS: usize = 200;
/// The raw floor of many records per sync syncs this many times.
const FLOOR_SYNCS: usize = 2_000;

/// Durable commands per second, in-process: `orders` in the sandbox, JSON, fsync before every acknowledgement.
#[derive(Args)]
pub(crate) struct Commands {
    #[command(flatten)]
    place: Place,
    /// How many commands to time, at least.
    #[arg(long, default_value_t = 1_000_000)]
    commands: usize,
    #[arg(long, default_value_t = 10_000)]
    aggregates: usize,
    #[arg(long, default_value_t = NonZeroUsize::new(256).expect("not zero"))]
    in_flight: NonZeroUsize,
    /// Threads that run guests [default: as `polder serve` has].
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Keep the domain's projections running meanwhile. Off, they are not there, and the figure is the write path's alone.
    #[arg(long)]
    projections: bool,
}

#[derive(Serialize)]
struct Report {
    workers: usize,
    aggregates: usize,
    in_flight: usize,
    projections: bool,
    raw_floor: Raw,
    native_floor: Through,
    component: Through,
    share_of_native: f64,
    one_caller: Latency,
    one_caller_p50_per_sync_p50: f64,
}

/// Nothing but writing and syncing.
#[derive(Serialize)]
struct Raw {
    /// One record per sync.
    sync: Latency,
    /// As many records per sync as the component's run had on average.
    records_per_sync: usize,
    records_per_second: f64,
}

/// Through the whole pipeline.
#[derive(Serialize)]
struct Through {
    commands: usize,
    commands_per_second: f64,
    latency: Latency,
    commands_per_sync: f64,
}

impl Commands {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = self.place.folder()?;
        output.note("native floor …");
        let native_floor = self.through(folder.path().join("native"), Kind::Native)?;
        output.note("component …");
        let component = self.through(folder.path().join("component"), Kind::Component)?;
        output.note("one caller, and the raw floor …");
        let (one_caller, sync) = self.alone(folder.path())?;
        let records_per_sync = (component.commands_per_sync.round() as usize).max(1);
        let grouped = folder.path().join("raw-grouped");
        std::fs::create_dir_all(&grouped)?;
        let group = polder_journal::floor::append_and_sync(&grouped, RECORD_BYTES, records_per_sync, FLOOR_SYNCS)?;
        let raw_floor = Raw {
            sync,
            records_per_sync,
            records_per_second: per_second(records_per_sync * group.len(), group.iter().sum()),
        };
        let report = Report {
            workers: self.workers(),
            aggregates: self.aggregates,
            in_flight: self.in_flight.get(),
            projections: self.projections,
            share_of_native: component.commands_per_second / native_floor.commands_per_second,
            one_caller_p50_per_sync_p50: one_caller.p50_us / raw_floor.sync.p50_us,
            raw_floor,
            native_floor,
            component,
            one_caller,
        };
        output.answer(&report, || text(&report))
    }

    fn workers(&self) -> usize {
        self.workers.map_or_else(|| HostOptions::new("").workers, NonZeroUsize::get)
    }

    fn through(&self, data_dir: PathBuf, kind: Kind) -> anyhow::Result<Through> {
        let (host, runtime) = self.open(data_dir, kind)?;
        let load = Load::new(host.clone(), self.aggregates, self.in_flight, 0)?;
        // Every order exists and is warm before the clock starts.
        let first = load.preparation();
        load.run(0..first)?;
        let syncs_before = host.journal_statistics().syncs;
        let steps = self.commands.div_ceil(self.aggregates).max(1);
        let run = load.run(first..first + steps)?;
        let syncs = host.journal_statistics().syncs - syncs_before;
        runtime.block_on(host.shutdown());
        Ok(Through {
            commands: run.commands,
            commands_per_second: per_second(run.commands, run.took),
            latency: Latency::of(run.times),
            commands_per_sync: run.commands as f64 / syncs.max(1) as f64,
        })
    }

    /// One caller who sends the next command when the one before is acknowledged, and a record per sync without a host.
    fn alone(&self, folder: &Path) -> anyhow::Result<(Latency, Latency)> {
        let (host, runtime) = self.open(folder.join("alone"), Kind::Component)?;
        let load = Load::new(host.clone(), 1, NonZeroUsize::MIN, 0)?;
        load.run(0..load.preparation())?;
        let (mut commands, mut syncs) = (Vec::new(), Vec::new());
        for round in 0..ALONE_ROUNDS {
            let first = load.preparation() + round * ALONE_COMMANDS;
            commands.extend(load.run(first..first + ALONE_COMMANDS)?.times);
            let raw = folder.join(format!("raw-{round}"));
            std::fs::create_dir_all(&raw)?;
            syncs.extend(polder_journal::floor::append_and_sync(&raw, RECORD_BYTES, 1, ALONE_COMMANDS)?);
        }
        runtime.block_on(host.shutdown());
        Ok((Latency::of(commands), Latency::of(syncs)))
    }

    fn open(&self, data_dir: PathBuf, kind: Kind) -> anyhow::Result<(Host, Runtime)> {
        let host = Host::open(HostOptions { workers: self.workers(), ..HostOptions::new(data_dir) })?;
        let tenant = TenantName::new(MAIN_TENANT)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match kind {
            Kind::Native => host.attach(&tenant, Arc::new(NativeRules::orders()?))?,
            Kind::Component if self.projections => {
                runtime.block_on(host.deploy(&tenant, self.place.component()?.into(), DeployOptions::default()))?;
            }
            Kind::Component => host.attach(&tenant, host.load(&self.place.component()?)?)?,
        }
        Ok((host, runtime))
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Native,
    Component,
}

fn text(report: &Report) -> String {
    let through = |name: &str, through: &Through| {
        format!(
            "{name:<42}{:>12.0} commands/s   {}   {:.0} commands per sync\n",
            through.commands_per_second, through.latency, through.commands_per_sync
        )
    };
    let mut text = format!(
        "{} workers, {} aggregates, {} in flight, projections {}\n\n",
        report.workers,
        report.aggregates,
        report.in_flight,
        if report.projections { "on" } else { "off" }
    );
    let raw = format!("raw append and sync, {} records each", report.raw_floor.records_per_sync);
    text.push_str(&format!("{raw:<42}{:>12.0} records/s\n", report.raw_floor.records_per_second));
    text.push_str(&through("native rules, same pipeline", &report.native_floor));
    text.push_str(&through("component", &report.component));
    text.push_str(&format!("\nshare of the native floor          {:.2}\n", report.share_of_native));
    text.push_str(&format!("raw append and sync, one record    {}\n", report.raw_floor.sync));
    text.push_str(&format!("one caller alone, component        {}\n", report.one_caller));
    text.push_str(&format!("one caller's p50 / sync's p50      {:.2}\n", report.one_caller_p50_per_sync_p50));
    text
}
