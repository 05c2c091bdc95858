//! `polder-bench switch`: the effect on commands at a steady rate when revisions change again and again.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use polder_core::{AggregateId, Position, TenantName};
use polder_engine::{CheckOptions, DeployOptions, EventFilter, Host, MAIN_TENANT, ReplayScope};
use serde::Serialize;

use crate::components::another_revision;
use crate::figures::{Latency, per_second};
use crate::load::Load;
use crate::load::paced::{Answered, Paced};
use crate::load::spread::Spread;
use crate::options::{Inputs, host_options};
use crate::output::Output;

/// A command counts for a switch if it was in flight between the start of the deployment and this long after its end.
const AFTERMATH: Duration = Duration::from_millis(100);
/// Time of commands before the first switch: a new host still gets memory from the system.
const WARM_UP: Duration = Duration::from_secs(10);
/// Approximate time of a switch with its revision check, to estimate the number of commands.
const SWITCH_TAKES: Duration = Duration::from_millis(200);
/// Events that the revision check replays before each switch, at most.
const REPLAY_EVENTS: u64 = 10_000;
/// Events per page when everything is counted.
const EVENTS_PER_PAGE: usize = 10_000;

/// Switch between two good revisions of `orders` while commands are sent at a steady rate.
#[derive(Args)]
pub(crate) struct Switch {
    #[command(flatten)]
    inputs: Inputs,
    /// Number of switches to the next revision.
    #[arg(long, default_value_t = 500)]
    switches: usize,
    /// Commands per second, sent at this rate whether earlier ones are answered or not.
    #[arg(long, default_value_t = 22_000)]
    rate: usize,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 5_000)]
    aggregates: usize,
}

#[derive(Serialize)]
struct Report {
    switches: usize,
    commands: usize,
    commands_per_second: f64,
    failed: usize,
    /// Commands that were acknowledged, but are missing in the history when it is opened again.
    lost: usize,
    out_of_order: usize,
    latency: Latency,
    slowest_in_a_switch_us: f64,
    slowest_above_p99_ms: f64,
    /// Time of the whole call, revision check included.
    deployment: Latency,
}

/// The beginning of an interval, counted from the start of the run, and its length.
type Timed = (Duration, Duration);

impl Switch {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let (one, other) = (self.inputs.component()?, another_revision(&self.inputs.component()?, 1));
        let tenant = TenantName::new(MAIN_TENANT)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let host = Host::open(host_options(folder.path()))?;
        for component in [&other, &one] {
            runtime.block_on(host.deployments().deploy(&tenant, component.clone().into(), DeployOptions::default()))?;
        }
        let load = Load::new(host.clone(), self.aggregates, NonZeroUsize::MIN, Spread::Uniform, 0)?;
        load.prepare()?;

        output.note("switching …");
        let expected_time = WARM_UP + SWITCH_TAKES * u32::try_from(self.switches)?;
        let paced = Paced::begin(self.rate * usize::try_from(expected_time.as_secs())?);
        let (began, is_over) = (paced.began, Arc::new(AtomicBool::new(false)));
        let switching = std::thread::spawn({
            let (host, is_over, switches) = (host.clone(), Arc::clone(&is_over), self.switches);
            move || {
                std::thread::sleep(WARM_UP);
                let switched = switch(&host, &tenant, &[other, one], switches, began);
                is_over.store(true, Ordering::Relaxed);
                switched
            }
        });
        let sending = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
        let answered = paced.send(&load, &sending, self.rate, |_| is_over.load(Ordering::Relaxed))?;
        let took = began.elapsed();
        let switches = switching.join().map_err(|_| anyhow::anyhow!("the thread that deploys has panicked"))??;
        drop(load);
        runtime.block_on(host.shutdown());
        if let Some(failure) = answered.iter().find_map(|answered| answered.outcome.as_ref().err()) {
            output.note(&format!("the first that failed: {failure}"));
        }

        output.note("counting …");
        let acknowledged = answered.iter().filter(|answered| answered.outcome.is_ok()).count();
        let recorded = count(&runtime, folder.path())? - self.aggregates;
        let report = report(&answered, &switches, took, acknowledged.saturating_sub(recorded));
        output.report(&report, || text(&report))
    }
}

/// Deploys the revisions in turn. Returns the time of each switch.
fn switch(
    host: &Host,
    tenant: &TenantName,
    revisions: &[Vec<u8>; 2],
    switches: usize,
    began: Instant,
) -> anyhow::Result<Vec<Timed>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut times = Vec::with_capacity(switches);
    for number in 0..switches {
        let check = CheckOptions { replay: ReplayScope::Events(REPLAY_EVENTS), ..CheckOptions::default() };
        let component = revisions[number % 2].clone().into();
        let set_out = began.elapsed();
        runtime.block_on(host.deployments().deploy(
            tenant,
            component,
            DeployOptions { check, ..DeployOptions::default() },
        ))?;
        times.push((set_out, began.elapsed() - set_out));
    }
    Ok(times)
}

/// Counts the events after the folder is opened again. Those of one order must be consecutive.
fn count(runtime: &tokio::runtime::Runtime, folder: &std::path::Path) -> anyhow::Result<usize> {
    let host = Host::open(host_options(folder))?;
    let tenant = TenantName::new(MAIN_TENANT)?;
    let (mut after, mut counts) = (Position::ZERO, HashMap::<AggregateId, u64>::new());
    loop {
        let page = runtime.block_on(host.queries().events(&tenant, &EventFilter::default(), after, EVENTS_PER_PAGE))?;
        if page.next == after {
            break;
        }
        after = page.next;
        for event in page.events {
            let count = counts.entry(event.aggregate_id).or_default();
            *count += 1;
            ensure!(
                event.sequence.0 == *count,
                "an event of sequence {} is the {count}th of its order",
                event.sequence
            );
        }
    }
    runtime.block_on(host.shutdown());
    Ok(counts.values().sum::<u64>() as usize)
}

fn report(answered: &[Answered], switches: &[Timed], took: Duration, lost: usize) -> Report {
    let mut times: Vec<Timed> = answered.iter().map(|answered| (answered.due, answered.took)).collect();
    times.sort_unstable();
    let mut slowest = Duration::ZERO;
    let mut next = switches.iter().peekable();
    for (due, latency) in &times {
        while next.next_if(|(begins, lasts)| *begins + *lasts + AFTERMATH < *due).is_some() {}
        if next.peek().is_some_and(|(begins, _)| *begins <= *due + *latency) {
            slowest = slowest.max(*latency);
        }
    }
    let latency = Latency::of(times.iter().map(|(_, latency)| *latency).collect());
    let slowest_us = slowest.as_nanos() as f64 / 1e3;
    Report {
        switches: switches.len(),
        commands: times.len(),
        commands_per_second: per_second(times.len(), took),
        failed: answered.iter().filter(|answered| answered.outcome.is_err()).count(),
        lost,
        out_of_order: out_of_order(answered),
        slowest_in_a_switch_us: slowest_us,
        slowest_above_p99_ms: (slowest_us - latency.p99_us) / 1e3,
        latency,
        deployment: Latency::of(switches.iter().map(|(_, lasts)| *lasts).collect()),
    }
}

/// Number of commands that were recorded before a command of the same order that was due earlier.
fn out_of_order(answered: &[Answered]) -> usize {
    let mut accepted: Vec<(Duration, usize, u64)> = answered
        .iter()
        .filter_map(|answered| Some((answered.due, answered.order, *answered.outcome.as_ref().ok()?)))
        .collect();
    accepted.sort_unstable();
    let mut newest = HashMap::new();
    accepted
        .into_iter()
        .filter(|(_, order, sequence)| {
            let newest = newest.entry(*order).or_insert(0);
            let is_late = sequence < newest;
            *newest = *sequence.max(newest);
            is_late
        })
        .count()
}

fn text(report: &Report) -> String {
    format!(
        "{} switches under {:.0} commands/s, {} commands\n\nfailed {}, lost {}, out of order {}\ncommands              {}\n\
         slowest in a switch   {:.0} µs, {:.1} ms above the run's p99\ndeployments           {}\n",
        report.switches,
        report.commands_per_second,
        report.commands,
        report.failed,
        report.lost,
        report.out_of_order,
        report.latency,
        report.slowest_in_a_switch_us,
        report.slowest_above_p99_ms,
        report.deployment
    )
}
