//! `polder bench audit`: what it costs to run a sample of all commands a second time.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use polder_core::TenantName;
use polder_engine::{Host, HostOptions, MAIN_TENANT};
use serde::Serialize;

use super::Place;
use super::figures::per_second;
use super::load::Load;
use crate::failure::Outcome;
use crate::output::Output;

/// With the audit and without it in turn, so that a machine that changes its pace meets both.
const ROUNDS: usize = 10;

/// Throughput with the purity audit at its rate, beside throughput without it.
#[derive(Args)]
pub(crate) struct Audit {
    #[command(flatten)]
    place: Place,
    /// How many commands to time each way, at least.
    #[arg(long, default_value_t = 1_000_000)]
    commands: usize,
    #[arg(long, default_value_t = 10_000)]
    aggregates: usize,
    #[arg(long, default_value_t = NonZeroUsize::new(256).expect("not zero"))]
    in_flight: NonZeroUsize,
}

#[derive(Serialize)]
struct Report {
    in_flight: usize,
    audited_per_second: f64,
    unaudited_per_second: f64,
    /// Of the throughput without it.
    cost_percent: f64,
}

impl Audit {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = self.place.folder()?;
        let component = self.place.component()?;
        let audited = self.open(folder.path().join("audited"), &component, true)?;
        let unaudited = self.open(folder.path().join("unaudited"), &component, false)?;
        let steps = self.commands.div_ceil(self.aggregates * ROUNDS).max(1);
        let (mut audited_took, mut unaudited_took) = (Duration::ZERO, Duration::ZERO);
        for round in 0..ROUNDS {
            output.note(&format!("round {} of {ROUNDS} …", round + 1));
            let first = audited.preparation() + round * steps;
            audited_took += audited.run(first..first + steps)?.took;
            unaudited_took += unaudited.run(first..first + steps)?.took;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for load in [audited, unaudited] {
            runtime.block_on(load.host.clone().shutdown());
        }
        let rate = |took| per_second(ROUNDS * steps * self.aggregates, took);
        let (audited_per_second, unaudited_per_second) = (rate(audited_took), rate(unaudited_took));
        let report = Report {
            in_flight: self.in_flight.get(),
            audited_per_second,
            unaudited_per_second,
            cost_percent: (1.0 - audited_per_second / unaudited_per_second) * 100.0,
        };
        output.answer(&report, || text(&report))
    }

    fn open(&self, data_dir: PathBuf, component: &[u8], is_audited: bool) -> anyhow::Result<Rc<Load>> {
        let host = Host::open(HostOptions { is_audited, ..HostOptions::new(data_dir) })?;
        host.attach(&TenantName::new(MAIN_TENANT)?, host.load(component)?)?;
        let load = Load::new(host, self.aggregates, self.in_flight, 0)?;
        load.run(0..load.preparation())?;
        Ok(load)
    }
}

fn text(report: &Report) -> String {
    format!(
        "{} in flight\n\nwith the audit       {:>12.0} commands/s\nwithout it           {:>12.0} commands/s\nit costs             {:>12.1} % of throughput\n",
        report.in_flight, report.audited_per_second, report.unaudited_per_second, report.cost_percent
    )
}
