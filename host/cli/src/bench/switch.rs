//! `polder bench switch`: revisions change again and again while commands come at a steady rate; what becomes of the commands.

use std::cell::RefCell;
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use polder_core::{AggregateId, CommandStatus, Position, TenantName};
use polder_engine::{DeployOptions, EventFilter, GateOptions, Host, HostOptions, MAIN_TENANT, ReplayScope};
use serde::Serialize;

use super::figures::{Latency, per_second};
use super::load::Load;
use super::{Place, another_revision};
use crate::failure::Outcome;
use crate::output::Output;

/// Commands set out together each so often.
const TICK: Duration = Duration::from_millis(1);
/// A command counts to a switch when it was on its way between the call that deploys and this long after that has returned.
const AFTERMATH: Duration = Duration::from_millis(100);
/// How many events the gate replays at most before each switch.
const REPLAY_EVENTS: u64 = 10_000;
/// Events read at a time when everything is counted.
const EVENTS_PER_PAGE: usize = 10_000;

/// Switch between two good revisions of `orders` while commands come at a steady rate.
#[derive(Args)]
pub(crate) struct Switch {
    #[command(flatten)]
    place: Place,
    #[arg(long, default_value_t = 500)]
    switches: usize,
    /// Commands per second; they set out at this rate whether those before have their answers or not.
    #[arg(long, default_value_t = 22_000)]
    rate: usize,
    #[arg(long, default_value_t = 5_000)]
    aggregates: usize,
}

#[derive(Serialize)]
struct Report {
    switches: usize,
    commands: usize,
    commands_per_second: f64,
    failed: usize,
    /// Acknowledged, and not in the history when it is opened again.
    lost: usize,
    out_of_order: usize,
    latency: Latency,
    slowest_in_a_switch_us: f64,
    slowest_above_p99_ms: f64,
    /// From the call to its return: with the gate.
    deployment: Latency,
}

/// When a command set out, counted from the beginning, and how long it took.
type Timed = (Duration, Duration);

#[derive(Default)]
struct Seen {
    times: Vec<Timed>,
    failed: usize,
    out_of_order: usize,
    first_failure: Option<String>,
}

impl Switch {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = self.place.folder()?;
        let (one, other) = (self.place.component()?, another_revision(&self.place.component()?));
        let tenant = TenantName::new(MAIN_TENANT)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let host = Host::open(HostOptions::new(folder.path()))?;
        for component in [&other, &one] {
            runtime.block_on(host.deploy(&tenant, component.clone().into(), DeployOptions::default()))?;
        }
        let load = Load::new(host.clone(), self.aggregates, NonZeroUsize::MIN, 0)?;
        load.run(0..load.preparation())?;

        output.note("switching …");
        let (began, is_over) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let switching = std::thread::spawn({
            let (host, is_over, switches) = (host.clone(), Arc::clone(&is_over), self.switches);
            move || {
                let switched = switch(&host, &tenant, &[other, one], switches, began);
                is_over.store(true, Ordering::Relaxed);
                switched
            }
        });
        let (seen, took) = self.send(&load, began, &is_over)?;
        let switches = switching.join().map_err(|_| anyhow::anyhow!("the thread that deploys has panicked"))??;
        drop(load);
        runtime.block_on(host.shutdown());
        if let Some(failure) = &seen.first_failure {
            output.note(&format!("the first that failed: {failure}"));
        }

        output.note("counting …");
        let acknowledged = seen.times.len() - seen.failed;
        let recorded = count(&runtime, folder.path())? - self.aggregates;
        let report = report(seen, &switches, took, acknowledged.saturating_sub(recorded))?;
        output.answer(&report, || text(&report))
    }

    /// Commands at a steady rate until it is over.
    fn send(&self, load: &Rc<Load>, began: Instant, is_over: &AtomicBool) -> anyhow::Result<(Seen, Duration)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        let ids = (0..self.aggregates).map(|number| AggregateId::new(&format!("order-{number}")));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        let seen = Rc::new(RefCell::new(Seen::default()));
        local.block_on(&runtime, async {
            let mut ticks = tokio::time::interval(TICK);
            let mut sent = 0;
            let mut on_their_way = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                ticks.tick().await;
                // As many as are due by now, also after a tick that came late.
                let due = (began.elapsed().as_secs_f64() * self.rate as f64) as usize;
                while sent < due {
                    let (number, round) = (sent % ids.len(), sent / ids.len());
                    let command = load.command(&ids[number], load.preparation() + round)?;
                    let expected = (load.preparation() + round + 1) as u64;
                    let (host, seen, set_out) = (load.host.clone(), Rc::clone(&seen), began.elapsed());
                    on_their_way.push(tokio::task::spawn_local(async move {
                        let answer = host.submit(command).await;
                        let mut seen = seen.borrow_mut();
                        seen.times.push((set_out, began.elapsed() - set_out));
                        match answer {
                            Ok(ack) if ack.status == CommandStatus::Accepted => {
                                seen.out_of_order += usize::from(ack.sequence.0 != expected);
                            }
                            other => {
                                seen.failed += 1;
                                seen.first_failure.get_or_insert_with(|| format!("{other:?}"));
                            }
                        }
                    }));
                    sent += 1;
                }
                on_their_way.retain(|task| !task.is_finished());
            }
            for task in on_their_way {
                task.await.context("a caller panicked")?;
            }
            anyhow::Ok(())
        })?;
        let took = began.elapsed();
        Ok((seen.take(), took))
    }
}

/// When each switch began and ended.
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
        let gate = GateOptions { replay: ReplayScope::Events(REPLAY_EVENTS), ..GateOptions::default() };
        let component = revisions[number % 2].clone().into();
        let set_out = began.elapsed();
        runtime.block_on(host.deploy(tenant, component, DeployOptions { gate, ..DeployOptions::default() }))?;
        times.push((set_out, began.elapsed() - set_out));
    }
    Ok(times)
}

/// Every event that is there once the folder is opened again; those of one order have to follow one another.
fn count(runtime: &tokio::runtime::Runtime, folder: &std::path::Path) -> anyhow::Result<usize> {
    let host = Host::open(HostOptions::new(folder))?;
    let tenant = TenantName::new(MAIN_TENANT)?;
    let (mut after, mut counts) = (Position::ZERO, HashMap::<AggregateId, u64>::new());
    loop {
        let page = runtime.block_on(host.events(&tenant, &EventFilter::default(), after, EVENTS_PER_PAGE))?;
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

fn report(seen: Seen, switches: &[Timed], took: Duration, lost: usize) -> anyhow::Result<Report> {
    let mut times = seen.times;
    times.sort_unstable();
    let mut slowest = Duration::ZERO;
    let mut next = switches.iter().peekable();
    for (set_out, latency) in &times {
        while next.next_if(|(begins, lasts)| *begins + *lasts + AFTERMATH < *set_out).is_some() {}
        if next.peek().is_some_and(|(begins, _)| *begins <= *set_out + *latency) {
            slowest = slowest.max(*latency);
        }
    }
    let latency = Latency::of(times.iter().map(|(_, latency)| *latency).collect());
    let slowest_us = slowest.as_nanos() as f64 / 1e3;
    Ok(Report {
        switches: switches.len(),
        commands: times.len(),
        commands_per_second: per_second(times.len(), took),
        failed: seen.failed,
        lost,
        out_of_order: seen.out_of_order,
        slowest_in_a_switch_us: slowest_us,
        slowest_above_p99_ms: (slowest_us - latency.p99_us) / 1e3,
        latency,
        deployment: Latency::of(switches.iter().map(|(_, lasts)| *lasts).collect()),
    })
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
