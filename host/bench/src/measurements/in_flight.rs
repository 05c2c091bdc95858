//! `polder-bench in-flight`: the same load with more and more commands in flight. Each figure stands beside those of
//! native rules, and of the bare disk with as many records per sync.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::figures::per_second;
use crate::load::RunLength;
use crate::load::orders::RECORD_BYTES;
use crate::load::spread::Spread;
use crate::options::{Inputs, LoadShape, Setup};
use crate::output::Output;
use crate::rig::{Rig, Rules, Throughput};

/// Syncs of the bare disk for each figure.
const FLOOR_SYNCS: usize = 500;

/// Measure commands per second and their latency at different numbers of commands in flight.
#[derive(Args)]
pub(crate) struct InFlight {
    #[command(flatten)]
    inputs: Inputs,
    /// Numbers of commands in flight, with a run for each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,4,16,64,256,1024")]
    in_flight: Vec<NonZeroUsize>,
    /// Length of each run, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    aggregates: usize,
    /// How the commands choose their aggregates.
    #[arg(long, value_enum, default_value_t = Spread::Uniform)]
    spread: Spread,
    #[command(flatten)]
    setup: Setup,
}

#[derive(Serialize)]
struct Report {
    workers: usize,
    tenants: usize,
    projections: bool,
    aggregates: usize,
    spread: Spread,
    runs: Vec<Level>,
}

#[derive(Serialize)]
struct Level {
    in_flight: usize,
    native_floor: Throughput,
    component: Throughput,
    share_of_native: f64,
    raw_floor_records_per_second: f64,
}

impl InFlight {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let component = self.inputs.component()?;
        let mut runs = Vec::with_capacity(self.in_flight.len());
        for &in_flight in &self.in_flight {
            output.note(&format!("{in_flight} in flight …"));
            runs.push(self.level(&component, in_flight)?);
        }
        let report = Report {
            workers: self.setup.workers(),
            tenants: self.setup.tenants.get(),
            projections: self.setup.projections,
            aggregates: self.aggregates,
            spread: self.spread,
            runs,
        };
        output.report(&report, || text(&report))
    }

    /// Measures one level on new hosts, so that an earlier level does not affect it.
    fn level(&self, component: &[u8], in_flight: NonZeroUsize) -> anyhow::Result<Level> {
        let folder = self.inputs.folder()?;
        let amount = RunLength::For(Duration::from_secs_f64(self.seconds));
        let measure = |name: &str, rules| {
            let shape = LoadShape { in_flight, spread: self.spread };
            let rig = Rig::ready(folder.path().join(name), rules, &self.setup, self.aggregates, &shape)?;
            let run = rig.run(amount)?;
            rig.close();
            anyhow::Ok(run)
        };
        let native_floor = measure("native", Rules::Native)?;
        let component = measure("component", Rules::Component(component))?;
        let records = (component.commands_per_sync.round() as usize).max(1);
        let raw = folder.path().join("raw");
        std::fs::create_dir_all(&raw)?;
        let syncs = polder_journal::baseline::append_and_sync(&raw, RECORD_BYTES, records, FLOOR_SYNCS)?;
        Ok(Level {
            in_flight: in_flight.get(),
            share_of_native: component.commands_per_second / native_floor.commands_per_second,
            native_floor,
            component,
            raw_floor_records_per_second: per_second(records * syncs.len(), syncs.iter().sum()),
        })
    }
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{} workers, {} tenants, {} aggregates, {:?}, projections {}\n\n",
        report.workers,
        report.tenants,
        report.aggregates,
        report.spread,
        if report.projections { "on" } else { "off" }
    );
    for level in &report.runs {
        let name = format!("{} in flight", level.in_flight);
        text.push_str(&level.component.line(&name));
        text.push_str(&format!(
            "{:<42}{:>12.0} commands/s native: {:.2} of it; bare disk {:.0} records/s\n",
            "", level.native_floor.commands_per_second, level.share_of_native, level.raw_floor_records_per_second
        ));
    }
    text
}
