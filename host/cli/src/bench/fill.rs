//! `polder bench fill`: makes a data folder with a history, for the benchmarks that need one and for trying out a
//! machine.

use std::io::Read;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use clap::Args;
use polder_core::TenantName;
use polder_engine::{DeployOptions, Host, HostOptions, MAIN_TENANT};
use serde::Serialize;

use super::figures::per_second;
use super::load::{Amount, Load, Run};
use super::options::History;
use super::spread::Spread;
use crate::failure::Outcome;
use crate::folder;
use crate::output::Output;

pub(super) const IN_FLIGHT: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");

/// Fill a data folder with events of `orders`, one for each command.
#[derive(Args)]
pub(crate) struct Fill {
    /// The folder to fill; it is made if missing.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    history: History,
    /// The `orders` component [default: the one that `cargo xtask guests` builds beside this program].
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Keep the filled folder open until stdin ends, so that a kill finds it in use.
    #[arg(long)]
    hold: bool,
}

#[derive(Serialize)]
struct Report {
    events: usize,
    events_per_second: f64,
}

impl Fill {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let component = super::component(self.component.as_deref())?;
        folder::check_own(&self.data)?;
        let host = Host::open(HostOptions::new(&self.data))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(host.deployments().deploy(
            &TenantName::new(MAIN_TENANT)?,
            component.into(),
            DeployOptions::default(),
        ))?;
        let began = Instant::now();
        let events = fill(&host, &self.history)?.commands;
        let report = Report { events, events_per_second: per_second(events, began.elapsed()) };
        output.answer(&report, || format!("{events} events, {:.0} per second", report.events_per_second))?;
        if self.hold {
            std::io::stdin().read_to_end(&mut Vec::new())?;
        }
        runtime.block_on(host.shutdown());
        Ok(())
    }
}

/// Sends `events` commands, each of which records an event. The host must have the orders domain, and no orders yet.
pub(super) fn fill(host: &Host, &History { events, aggregates }: &History) -> anyhow::Result<Run> {
    ensure!(events >= aggregates, "fewer events than aggregates: {events} are fewer than {aggregates}");
    Load::new(host.clone(), aggregates, IN_FLIGHT, Spread::Uniform, 0)?.run(Amount::Commands(events))
}
