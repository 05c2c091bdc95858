//! `polder-bench audit`: the cost of running a sample of all commands a second time.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use polder_core::TenantName;
use polder_engine::{Host, HostOptions, MAIN_TENANT};
use serde::Serialize;

use crate::figures::per_second;
use crate::load::{Load, RunLength};
use crate::options::{Inputs, LoadShape, LoadSize, host_options};
use crate::output::Output;

/// Rounds with and without the audit in turn, so that a change in the machine's speed affects both.
const ROUNDS: usize = 10;

/// Compare throughput with the purity audit at its rate to throughput without it.
#[derive(Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    size: LoadSize,
    #[command(flatten)]
    shape: LoadShape,
}

#[derive(Serialize)]
struct Report {
    in_flight: usize,
    audited_per_second: f64,
    unaudited_per_second: f64,
    /// Part of the throughput without the audit.
    cost_percent: f64,
}

impl Audit {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let component = self.inputs.component()?;
        let audited = self.open(folder.path().join("audited"), &component, true)?;
        let unaudited = self.open(folder.path().join("unaudited"), &component, false)?;
        let commands = self.size.commands.div_ceil(ROUNDS);
        let (mut audited_took, mut unaudited_took) = (Duration::ZERO, Duration::ZERO);
        for round in 0..ROUNDS {
            output.note(&format!("round {} of {ROUNDS} …", round + 1));
            audited_took += audited.run(RunLength::Commands(commands))?.took;
            unaudited_took += unaudited.run(RunLength::Commands(commands))?.took;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for load in [audited, unaudited] {
            runtime.block_on(load.host.clone().shutdown());
        }
        let rate = |took| per_second(ROUNDS * commands, took);
        let (audited_per_second, unaudited_per_second) = (rate(audited_took), rate(unaudited_took));
        let report = Report {
            in_flight: self.shape.in_flight.get(),
            audited_per_second,
            unaudited_per_second,
            cost_percent: (1.0 - audited_per_second / unaudited_per_second) * 100.0,
        };
        output.report(&report, || text(&report))
    }

    fn open(&self, data_dir: PathBuf, component: &[u8], is_audited: bool) -> anyhow::Result<Load> {
        let host = Host::open(HostOptions { is_audited, ..host_options(data_dir) })?;
        host.deployments().attach(&TenantName::new(MAIN_TENANT)?, host.deployments().load(component)?)?;
        let load = Load::new(host, self.size.aggregates, self.shape.in_flight, self.shape.spread, 0)?;
        load.prepare()?;
        Ok(load)
    }
}

fn text(report: &Report) -> String {
    format!(
        "{} in flight\n\nwith the audit       {:>12.0} commands/s\nwithout it           {:>12.0} commands/s\nit costs             {:>12.1} % of throughput\n",
        report.in_flight, report.audited_per_second, report.unaudited_per_second, report.cost_percent
    )
}
