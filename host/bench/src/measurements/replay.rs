//! `polder-bench replay`: how fast the revision check folds a history with two revisions.

use clap::Args;
use polder_core::TenantName;
use polder_engine::{CheckOptions, DeployOptions, Host, MAIN_TENANT, ReplayScope};
use serde::Serialize;

use crate::components::another_revision;
use crate::load::fill;
use crate::options::{History, Inputs, host_options};
use crate::output::Output;

/// Replay a history of `orders` with two revisions, as the revision check does before a deployment.
#[derive(Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    inputs: Inputs,
    #[command(flatten)]
    history: History,
}

#[derive(Serialize)]
struct Report {
    events: u64,
    aggregates: u64,
    differing: u64,
    /// Time to fold an event with both revisions and compare; that counts as one event.
    replay_ms: u64,
    replay_events_per_second: f64,
    /// Time of the whole revision check, which first finds out which events the history holds.
    check_ms: u64,
    check_events_per_second: f64,
}

impl Replay {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let component = self.inputs.component()?;
        let tenant = TenantName::new(MAIN_TENANT)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        output.note("writing the history …");
        let host = Host::open(host_options(folder.path()))?;
        host.deployments().attach(&tenant, host.deployments().load(&component)?)?;
        fill(&host, self.history.events, self.history.aggregates)?;
        output.note("replaying it …");
        let check = CheckOptions { dry_run: true, replay: ReplayScope::All, ..CheckOptions::default() };
        let options = DeployOptions { check, ..DeployOptions::default() };
        let next = another_revision(&component, 1);
        let deployed = runtime.block_on(host.deployments().deploy(&tenant, next.into(), options))?;
        runtime.block_on(host.shutdown());
        let verdict = deployed.verdict.ok_or_else(|| anyhow::anyhow!("the revision check returned no verdict"))?;
        let replay = &verdict.replay;
        let per_second = |took_ms: u64| replay.events as f64 * 1e3 / took_ms.max(1) as f64;
        let report = Report {
            events: replay.events,
            aggregates: replay.aggregates,
            differing: replay.differing,
            replay_ms: replay.took_ms,
            replay_events_per_second: per_second(replay.took_ms),
            check_ms: verdict.took_ms,
            check_events_per_second: per_second(verdict.took_ms),
        };
        output.report(&report, || text(&report))
    }
}

fn text(report: &Report) -> String {
    format!(
        "{} events of {} aggregates, {} differ\n\nreplay, both revisions{:>9} ms{:>12.0} events/s\nthe whole check       {:>9} ms{:>12.0} events/s\n",
        report.events,
        report.aggregates,
        report.differing,
        report.replay_ms,
        report.replay_events_per_second,
        report.check_ms,
        report.check_events_per_second
    )
}
