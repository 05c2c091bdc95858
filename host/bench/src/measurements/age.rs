//! `polder-bench age`: the cost of a command on an aggregate with a long history, beside a new one. Warm, cold with a
//! snapshot, and cold without.

use std::num::NonZeroUsize;
use std::path::Path;
use std::rc::Rc;

use clap::Args;
use polder_core::TenantName;
use polder_engine::{Host, MAIN_TENANT};
use serde::Serialize;

use crate::figures::Latency;
use crate::load::orders::Orders;
use crate::load::spread::Spread;
use crate::load::{Load, RunLength};
use crate::options::{Inputs, host_options};
use crate::output::Output;

/// Rounds of old and new aggregates in turn, so that a change in the machine's speed affects both.
const ROUNDS: usize = 10;
/// The folder of everything that is derived from the journal, snapshots included. The next start makes it again.
const INDEX_FOLDER: &str = "index";

/// Compare a command on aggregates with long histories to the same on new ones, with a single caller.
#[derive(Args)]
pub(crate) struct Age {
    #[command(flatten)]
    inputs: Inputs,
    /// Events of an old aggregate.
    #[arg(long, default_value_t = 10_000)]
    events: usize,
    /// Number of old aggregates, and of new ones.
    #[arg(long, default_value_t = NonZeroUsize::new(32).expect("not zero"))]
    aggregates: NonZeroUsize,
    /// Warm commands to time on each kind, at least.
    #[arg(long, default_value_t = 10_000)]
    commands: usize,
}

#[derive(Serialize)]
struct Report {
    events: usize,
    aggregates: usize,
    warm: Pair,
    cold_with_snapshot: Pair,
    cold_without_snapshot: Pair,
}

#[derive(Serialize)]
struct Pair {
    new: Latency,
    old: Latency,
    p50_ratio: f64,
}

impl Age {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let component = self.inputs.component()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let each = self.aggregates.get();
        let orders = Rc::new(Orders::new(2 * each, Spread::Uniform, 0)?);
        let open = || -> anyhow::Result<Load> {
            let host = Host::open(host_options(folder.path()))?;
            host.deployments().attach(&TenantName::new(MAIN_TENANT)?, host.deployments().load(&component)?)?;
            Ok(Load::on(host, Rc::clone(&orders), NonZeroUsize::MIN))
        };
        let close = |load: Load| runtime.block_on(load.host.shutdown());
        output.note("making them old …");
        let load = open()?;
        load.prepare()?;
        orders.turn_to(0..each);
        load.age(self.events.saturating_sub(1) * each)?;
        output.note("warm …");
        let warm = Pair::measure(&load, each, ROUNDS, self.commands.div_ceil(ROUNDS))?;
        close(load);
        output.note("cold …");
        let load = open()?;
        let cold_with_snapshot = Pair::measure(&load, each, 1, each)?;
        close(load);
        forget(folder.path())?;
        let load = open()?;
        let cold_without_snapshot = Pair::measure(&load, each, 1, each)?;
        close(load);
        let report = Report { events: self.events, aggregates: each, warm, cold_with_snapshot, cold_without_snapshot };
        output.report(&report, || text(&report))
    }
}

impl Pair {
    /// The first `each` orders are old, and the next `each` are new.
    fn measure(load: &Load, each: usize, rounds: usize, commands: usize) -> anyhow::Result<Self> {
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            load.orders.turn_to(each..2 * each);
            new.extend(load.run(RunLength::Commands(commands))?.times);
            load.orders.turn_to(0..each);
            old.extend(load.run(RunLength::Commands(commands))?.times);
        }
        let (new, old) = (Latency::of(new), Latency::of(old));
        Ok(Self { p50_ratio: old.p50_us / new.p50_us, new, old })
    }
}

fn forget(data_dir: &Path) -> anyhow::Result<()> {
    Ok(std::fs::remove_dir_all(data_dir.join(INDEX_FOLDER))?)
}

fn text(report: &Report) -> String {
    let mut text =
        format!("{} aggregates with {} events each, and as many new ones\n\n", report.aggregates, report.events);
    for (name, pair) in [
        ("warm", &report.warm),
        ("cold, with a snapshot", &report.cold_with_snapshot),
        ("cold, without", &report.cold_without_snapshot),
    ] {
        text.push_str(&format!(
            "{name:<24}new  {}\n{:<24}old  {}   p50 ratio {:.2}\n",
            pair.new, "", pair.old, pair.p50_ratio
        ));
    }
    text
}
