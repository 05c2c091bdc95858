//! `polder-bench fill`: makes a data folder with a history, for the benchmarks that need one and for trying out a
//! machine.

use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use clap::Args;
use polder_core::TenantName;
use polder_engine::{DeployOptions, Host, MAIN_TENANT};
use polder_server::COPIES_FOLDER;
use serde::Serialize;

use crate::components;
use crate::figures::per_second;
use crate::load::fill;
use crate::options::{History, host_options};
use crate::output::Output;

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
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let component = components::orders(self.component.as_deref())?;
        ensure!(
            !self.data.join(COPIES_FOLDER).exists(),
            "{} holds copies of journals that are at NATS: name another folder",
            self.data.display()
        );
        let host = Host::open(host_options(&self.data))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(host.deployments().deploy(
            &TenantName::new(MAIN_TENANT)?,
            component.into(),
            DeployOptions::default(),
        ))?;
        let began = Instant::now();
        let events = fill(&host, self.history.events, self.history.aggregates)?.commands;
        let report = Report { events, events_per_second: per_second(events, began.elapsed()) };
        output.report(&report, || format!("{events} events, {:.0} per second", report.events_per_second))?;
        if self.hold {
            std::io::stdin().read_to_end(&mut Vec::new())?;
        }
        runtime.block_on(host.shutdown());
        Ok(())
    }
}
