//! `polder-bench open-loop`: the latency of commands that are sent at a steady rate, whether earlier ones are answered
//! or not. Latency counts from the time when a command was due.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use crate::figures::{Latency, per_second};
use crate::load::orders::RECORD_BYTES;
use crate::load::paced::Paced;
use crate::load::spread::Spread;
use crate::options::{Inputs, LoadShape, Setup};
use crate::output::Output;
use crate::rig::{Rig, Rules};

/// Records that the bare disk writes to measure its latency, one per sync.
const FLOOR_SYNCS: usize = 2_000;

/// Measure latency at steady rates.
#[derive(Args)]
pub(crate) struct OpenLoop {
    #[command(flatten)]
    inputs: Inputs,
    /// Commands per second, with a run for each rate.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1000,5000,20000,50000")]
    rates: Vec<NonZeroUsize>,
    /// Length of each run, in seconds.
    #[arg(long, default_value_t = 10)]
    seconds: usize,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    aggregates: usize,
    #[command(flatten)]
    setup: Setup,
}

#[derive(Serialize)]
struct Report {
    aggregates: usize,
    /// Latency of the bare disk with one record per sync.
    sync: Latency,
    runs: Vec<Steady>,
}

#[derive(Serialize)]
struct Steady {
    asked_per_second: usize,
    /// Fewer than asked for if the host or the sender cannot keep up.
    answered_per_second: f64,
    refused: usize,
    latency: Latency,
}

impl OpenLoop {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let component = self.inputs.component()?;
        let shape = LoadShape { in_flight: NonZeroUsize::MIN, spread: Spread::Uniform };
        let data_dir = folder.path().join("host");
        let rig = Rig::ready(data_dir, Rules::Component(&component), &self.setup, self.aggregates, &shape)?;
        let sending = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
        let mut runs = Vec::with_capacity(self.rates.len());
        for &rate in &self.rates {
            output.note(&format!("{rate} commands per second …"));
            let count = rate.get() * self.seconds;
            let paced = Paced::begin(count);
            let began = paced.began;
            let answered = paced.send(&rig.load, &sending, rate.get(), |sent| sent == count)?;
            let took = began.elapsed();
            runs.push(Steady {
                asked_per_second: rate.get(),
                answered_per_second: per_second(answered.len(), took),
                refused: answered.iter().filter(|answered| answered.outcome.is_err()).count(),
                latency: Latency::of(answered.into_iter().map(|answered| answered.took).collect()),
            });
        }
        rig.close();
        let raw = folder.path().join("raw");
        std::fs::create_dir_all(&raw)?;
        let syncs: Vec<Duration> = polder_journal::baseline::append_and_sync(&raw, RECORD_BYTES, 1, FLOOR_SYNCS)?;
        let report = Report { aggregates: self.aggregates, sync: Latency::of(syncs), runs };
        output.report(&report, || text(&report))
    }
}

fn text(report: &Report) -> String {
    let mut text = format!("{} aggregates; bare sync: {}\n\n", report.aggregates, report.sync);
    for run in &report.runs {
        text.push_str(&format!(
            "{:>9} per second asked {:>9.0} answered   {}   {} refused\n",
            run.asked_per_second, run.answered_per_second, run.latency, run.refused
        ));
    }
    text
}
