//! `polder-bench state`: the cost of a command on a large state, compared with a small one. States stay in the guest
//! between commands, so the cost should not grow with them.

use std::num::NonZeroUsize;

use clap::Args;
use polder_core::TenantName;
use polder_engine::{Host, MAIN_TENANT};
use serde::Serialize;

use crate::figures::{Latency, cpu_time, per_second};
use crate::load::spread::Spread;
use crate::load::{Load, RunLength};
use crate::options::{Inputs, host_options};
use crate::output::Output;

/// Rounds of both sizes in turn, so that a change in the machine's speed affects both.
const ROUNDS: usize = 5;

/// Compare the cost of a command on a large state to the cost on a small one.
#[derive(Args)]
pub(crate) struct State {
    #[command(flatten)]
    inputs: Inputs,
    /// Lines of a large order.
    #[arg(long, default_value_t = 1_000)]
    lines: usize,
    /// Commands to time for each size, at least.
    #[arg(long, default_value_t = 500_000)]
    commands: usize,
    /// Commands in flight at a time.
    #[arg(long, default_value_t = NonZeroUsize::new(256).expect("not zero"))]
    in_flight: NonZeroUsize,
}

#[derive(Serialize)]
struct Report {
    in_flight: usize,
    small: Size,
    large: Size,
    /// Ratio of the process's CPU time per command, which does not count waiting.
    cpu_ratio: f64,
    /// Ratio of the wall time per command, disk included.
    wall_ratio: f64,
}

#[derive(Serialize)]
struct Size {
    lines: usize,
    commands: usize,
    cpu_us_per_command: f64,
    commands_per_second: f64,
    latency: Latency,
}

impl State {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let component = self.inputs.component()?;
        let (small, large) = (
            self.open(folder.path().join("small"), &component, 1)?,
            self.open(folder.path().join("large"), &component, self.lines)?,
        );
        let (mut small_runs, mut large_runs) = (Runs::default(), Runs::default());
        for round in 0..ROUNDS {
            output.note(&format!("round {} of {ROUNDS} …", round + 1));
            small_runs.add(&small, self.round())?;
            large_runs.add(&large, self.round())?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for load in [small, large] {
            runtime.block_on(load.host.clone().shutdown());
        }
        let (small, large) = (small_runs.size(1), large_runs.size(self.lines));
        let report = Report {
            in_flight: self.in_flight.get(),
            cpu_ratio: large.cpu_us_per_command / small.cpu_us_per_command,
            wall_ratio: small.commands_per_second / large.commands_per_second,
            small,
            large,
        };
        output.report(&report, || text(&report))
    }

    /// Commands of one round: an even number for each aggregate, so that its lines are the same afterwards.
    fn round(&self) -> RunLength {
        let aggregates = self.in_flight.get();
        RunLength::Commands(self.commands.div_ceil(aggregates * ROUNDS * 2).max(1) * 2 * aggregates)
    }

    fn open(&self, data_dir: std::path::PathBuf, component: &[u8], lines: usize) -> anyhow::Result<Load> {
        let host = Host::open(host_options(data_dir))?;
        host.deployments().attach(&TenantName::new(MAIN_TENANT)?, host.deployments().load(component)?)?;
        let load = Load::new(host, self.in_flight.get(), self.in_flight, Spread::Uniform, lines)?;
        load.prepare()?;
        Ok(load)
    }
}

#[derive(Default)]
struct Runs {
    times: Vec<std::time::Duration>,
    took: std::time::Duration,
    cpu: std::time::Duration,
}

impl Runs {
    fn add(&mut self, load: &Load, round: RunLength) -> anyhow::Result<()> {
        let cpu_before = cpu_time()?;
        let run = load.run(round)?;
        self.cpu += cpu_time()? - cpu_before;
        self.took += run.took;
        self.times.extend(run.times);
        Ok(())
    }

    fn size(self, lines: usize) -> Size {
        let commands = self.times.len();
        Size {
            lines,
            commands,
            cpu_us_per_command: self.cpu.as_secs_f64() * 1e6 / commands as f64,
            commands_per_second: per_second(commands, self.took),
            latency: Latency::of(self.times),
        }
    }
}

fn text(report: &Report) -> String {
    let mut text = format!("{} in flight, warm\n\n", report.in_flight);
    for size in [&report.small, &report.large] {
        text.push_str(&format!(
            "{:>6} lines  {:>8.2} µs of CPU per command  {:>9.0} commands/s   {}\n",
            size.lines, size.cpu_us_per_command, size.commands_per_second, size.latency
        ));
    }
    text.push_str(&format!("\nCPU ratio {:.2}, wall ratio {:.2}\n", report.cpu_ratio, report.wall_ratio));
    text
}
