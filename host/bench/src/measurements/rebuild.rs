//! `polder-bench rebuild`: how fast views are built from a history, and how much memory that takes.

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use polder_core::{DomainName, Position, TenantName};
use polder_engine::{DeployOptions, Host, MAIN_TENANT};
use serde::Serialize;

use crate::figures::{forget_resident_bytes_peak, per_second, resident_bytes, resident_bytes_peak};
use crate::load::fill;
use crate::options::{History, Inputs, host_options};
use crate::output::Output;

/// Interval of checks of the views' progress.
const CHECK_INTERVAL: Duration = Duration::from_millis(5);

/// Build the views of `orders` from an existing history.
#[derive(Args)]
pub(crate) struct Rebuild {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    history: History,
}

#[derive(Serialize)]
struct Report {
    events: usize,
    /// Figures of each view, while all are built at once.
    views: Vec<View>,
    /// Figure of all views together.
    events_folded_per_second: f64,
    /// Memory of the host with its indexes, before the views are built.
    resident_bytes_before: Option<u64>,
    resident_bytes_peak: Option<u64>,
}

#[derive(Serialize)]
struct View {
    projection: String,
    took_ms: f64,
    events_per_second: f64,
}

impl Rebuild {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let component = self.inputs.component()?;
        let tenant = TenantName::new(MAIN_TENANT)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;

        output.note("writing the history …");
        let host = Host::open(host_options(folder.path()))?;
        host.deployments().attach(&tenant, host.deployments().load(&component)?)?;
        let events = fill(&host, self.history.events, self.history.aggregates)?.commands;
        runtime.block_on(host.shutdown());

        output.note("building the views …");
        let host = Host::open(host_options(folder.path()))?;
        let resident_bytes_before = resident_bytes();
        forget_resident_bytes_peak();
        let newest = *host.queries().positions(&tenant)?.borrow();
        runtime.block_on(host.deployments().deploy(&tenant, component.into(), DeployOptions::default()))?;
        // `deploy` replays the history in the revision check first, which has its own benchmark. It starts the views
        // last, right before this.
        let began = Instant::now();
        let views = runtime.block_on(until_built(&host, &tenant, newest, began))?;
        let resident_bytes_peak = resident_bytes_peak();
        runtime.block_on(host.shutdown());

        let took = views.iter().map(|(_, took)| *took).max().context("orders has no views")?;
        let report = Report {
            events,
            events_folded_per_second: per_second(events * views.len(), took),
            views: views
                .into_iter()
                .map(|(projection, took)| View {
                    projection,
                    took_ms: took.as_secs_f64() * 1e3,
                    events_per_second: per_second(events, took),
                })
                .collect(),
            resident_bytes_before,
            resident_bytes_peak,
        };
        output.report(&report, || text(&report))
    }
}

/// The time when each view had applied the newest event.
async fn until_built(
    host: &Host,
    tenant: &TenantName,
    newest: Position,
    began: Instant,
) -> anyhow::Result<Vec<(String, Duration)>> {
    let domain = DomainName::new("orders")?;
    let mut built: Vec<(String, Duration)> = Vec::new();
    loop {
        let domains = host.deployments().domains(tenant).await?;
        let orders = domains.items.into_iter().find(|info| info.domain == domain).context("orders is not deployed")?;
        for view in &orders.projections {
            if let Some(reason) = &view.stalled {
                anyhow::bail!("{} has stalled: {reason}", view.projection);
            }
            let name = view.projection.to_string();
            if view.position >= newest && built.iter().all(|(known, _)| *known != name) {
                built.push((name, began.elapsed()));
            }
        }
        if built.len() == orders.projections.len() {
            return Ok(built);
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

fn text(report: &Report) -> String {
    let mut text = format!("{} events\n\n", report.events);
    for view in &report.views {
        text.push_str(&format!(
            "{:<20}{:>9.0} ms{:>12.0} events/s\n",
            view.projection, view.took_ms, view.events_per_second
        ));
    }
    text.push_str(&format!("together{:>33.0} events/s\n", report.events_folded_per_second));
    if let (Some(before), Some(peak)) = (report.resident_bytes_before, report.resident_bytes_peak) {
        let mib = |bytes: u64| bytes as f64 / (1024.0 * 1024.0);
        text.push_str(&format!("resident memory: {:.0} MiB before, {:.0} MiB at most\n", mib(before), mib(peak)));
    }
    text
}
