//! `polder-bench neighbours`: how a tenant whose commands only loop affects another tenant.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use polder_core::{AggregateId, AggregateName, Command, CommandName, DomainName, TenantName};
use polder_engine::{Host, MAIN_TENANT};
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::components;
use crate::figures::Latency;
use crate::load::Load;
use crate::load::paced::Paced;
use crate::load::spread::Spread;
use crate::options::{Inputs, host_options};
use crate::output::Output;

/// The tenant whose commands loop.
const LOOPING_TENANT: &str = "looping";

/// Send normal commands of one tenant at a steady rate, first alone and then beside a tenant that sends only looping
/// commands.
#[derive(Args)]
pub(crate) struct Neighbours {
    #[command(flatten)]
    inputs: Inputs,
    /// The component whose command `spin` loops [default: the one that `cargo xtask guests` builds beside this
    /// program].
    #[arg(long, value_name = "FILE")]
    saboteur: Option<PathBuf>,
    /// Normal commands per second.
    #[arg(long, default_value_t = NonZeroUsize::new(5_000).expect("not zero"))]
    rate: NonZeroUsize,
    /// Length of a round, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: usize,
    /// Rounds alone and rounds with the looping tenant, in turn.
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 1_000)]
    aggregates: usize,
    /// Looping commands in flight.
    #[arg(long, default_value_t = 16)]
    loops: usize,
}

#[derive(Serialize)]
struct Report {
    rate_per_second: usize,
    loops_in_flight: usize,
    alone: Latency,
    beside: Latency,
    p50_ratio: f64,
    p99_ratio: f64,
    /// CPU time of each tenant's commands while both were active, as a share of one processor.
    normal_cpu_share: f64,
    looping_cpu_share: f64,
    loops_ended: usize,
}

impl Neighbours {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let host = Host::open(host_options(folder.path()))?;
        let normal = TenantName::new(MAIN_TENANT)?;
        let looping = TenantName::new(LOOPING_TENANT)?;
        host.deployments().attach(&normal, host.deployments().load(&self.inputs.component()?)?)?;
        runtime.block_on(host.tenants().add(&looping, None))?;
        let saboteur = components::read(self.saboteur.as_deref(), "saboteur", "--saboteur")?;
        host.deployments().attach(&looping, host.deployments().load(&saboteur)?)?;
        let load = Load::new(host.clone(), self.aggregates, NonZeroUsize::MIN, Spread::Uniform, 0)?;
        load.prepare()?;

        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        let (mut cpu_us, mut took, mut loops_ended) = ([0, 0], Duration::ZERO, 0);
        let cpu_now = || [&normal, &looping].map(|tenant| cpu_us_of(&host, tenant));
        for round in 0..self.rounds {
            output.note(&format!("round {} of {} …", round + 1, self.rounds));
            alone.extend(self.paced(&load, &runtime)?);
            let (is_over, before, began) = (Arc::new(AtomicBool::new(false)), cpu_now(), Instant::now());
            let loops = self.start_loops(&host, &looping, &runtime, &is_over)?;
            beside.extend(self.paced(&load, &runtime)?);
            took += began.elapsed();
            for (sum, (after, before)) in cpu_us.iter_mut().zip(cpu_now().into_iter().zip(before)) {
                *sum += after - before;
            }
            is_over.store(true, Ordering::Relaxed);
            for looping in loops {
                loops_ended += runtime.block_on(looping)?;
            }
        }
        drop(load);
        runtime.block_on(host.shutdown());
        let (alone, beside) = (Latency::of(alone), Latency::of(beside));
        let share = |cpu_us: u64| cpu_us as f64 / took.as_micros() as f64;
        let report = Report {
            rate_per_second: self.rate.get(),
            loops_in_flight: self.loops,
            p50_ratio: beside.p50_us / alone.p50_us,
            p99_ratio: beside.p99_us / alone.p99_us,
            normal_cpu_share: share(cpu_us[0]),
            looping_cpu_share: share(cpu_us[1]),
            alone,
            beside,
            loops_ended,
        };
        output.report(&report, || text(&report))
    }

    /// Sends one round of normal commands.
    fn paced(&self, load: &Load, runtime: &Runtime) -> anyhow::Result<Vec<Duration>> {
        let count = self.rate.get() * self.seconds;
        let answered = Paced::begin(count).send(load, runtime, self.rate.get(), |sent| sent == count)?;
        let refused = answered.iter().find_map(|answered| answered.outcome.as_ref().err());
        ensure!(refused.is_none(), "a normal command was refused: {refused:?}");
        Ok(answered.into_iter().map(|answered| answered.took).collect())
    }

    /// Starts the loops. Each sends its next command after the one before has ended, with any result. A handle returns
    /// the number of ended commands.
    fn start_loops(
        &self,
        host: &Host,
        tenant: &TenantName,
        runtime: &Runtime,
        is_over: &Arc<AtomicBool>,
    ) -> anyhow::Result<Vec<JoinHandle<usize>>> {
        let spin = |number: usize| -> anyhow::Result<Command> {
            Ok(Command {
                tenant: tenant.clone(),
                domain: DomainName::new("saboteur")?,
                aggregate: AggregateName::new("machine")?,
                aggregate_id: AggregateId::new(&format!("m-{number}"))?,
                name: CommandName::new("spin")?,
                payload: b"{}"[..].into(),
                id: None,
                expected_sequence: None,
                correlation_id: None,
                causation_id: None,
                actor: None,
                trail: polder_core::Trail::default(),
                retry_rejected: false,
            })
        };
        (0..self.loops)
            .map(|number| {
                let (host, is_over, command) = (host.clone(), Arc::clone(is_over), spin(number)?);
                Ok(runtime.spawn(async move {
                    let mut ended = 0;
                    while !is_over.load(Ordering::Relaxed) {
                        // This never succeeds, as intended.
                        let _ = host.submit(command.clone()).await;
                        ended += 1;
                    }
                    ended
                }))
            })
            .collect()
    }
}

fn cpu_us_of(host: &Host, tenant: &TenantName) -> u64 {
    let name = format!("polder_tenant_cpu_microseconds_total{{tenant=\"{tenant}\"}} ");
    host.metrics().lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or_default()
}

fn text(report: &Report) -> String {
    format!(
        "{} normal commands/s, {} looping commands in flight beside them\n\n\
         alone       {}\nbeside      {}\nratio       p50 {:.2}, p99 {:.2}\n\n\
         CPU time of one processor: normal {:.1} %, looping {:.1} % ({} loops ended)\n",
        report.rate_per_second,
        report.loops_in_flight,
        report.alone,
        report.beside,
        report.p50_ratio,
        report.p99_ratio,
        report.normal_cpu_share * 100.0,
        report.looping_cpu_share * 100.0,
        report.loops_ended
    )
}
