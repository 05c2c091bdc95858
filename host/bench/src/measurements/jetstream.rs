//! `polder-bench jetstream`: durable commands per second on the JetStream journal, on one server and on three, beside
//! the journal in a folder. Also the time without service after the journal's owner was killed.

use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use polder_core::TenantName;
use polder_engine::{Host, MAIN_TENANT};
use polder_nats::journal::JournalOptions;
use polder_server::join;
use serde::Serialize;

use crate::figures::{Latency, per_second};
use crate::load::spread::Spread;
use crate::load::{Load, RunLength};
use crate::options::{Inputs, host_options};
use crate::output::Output;
use crate::processes::host_process::HostProcess;
use crate::processes::nats_cluster::NatsCluster;
use crate::processes::wait::wait_until;

/// Number of times that the owner is killed.
const KILLS: usize = 3;

/// Measure durable commands per second on the JetStream journal, in this process, while every server syncs each
/// message; and the length of a failover.
#[derive(Args)]
pub(crate) struct JetStream {
    #[command(flatten)]
    inputs: Inputs,
    /// The nats-server to start [default: the one on the PATH, or the one that `cargo xtask setup` made].
    #[arg(long, value_name = "FILE")]
    nats_server: Option<PathBuf>,
    /// Commands to time, at least.
    #[arg(long, default_value_t = 300_000)]
    commands: usize,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    aggregates: usize,
    /// Commands in flight at a time.
    #[arg(long, default_value_t = NonZeroUsize::new(1_024).expect("not zero"))]
    in_flight: NonZeroUsize,
}

#[derive(Serialize)]
struct Report {
    in_flight: usize,
    folder: Throughput,
    one_server: Throughput,
    three_servers: Throughput,
    failover_ms: Vec<u128>,
}

#[derive(Serialize)]
struct Throughput {
    commands_per_second: f64,
    latency: Latency,
    commands_per_frame: f64,
}

impl JetStream {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        output.note("journal in a folder …");
        let host = Host::open(host_options(folder.path().join("folder")))?;
        let in_folder = self.measure(&host)?;
        shut(host)?;
        output.note("one server …");
        let one = self.on_servers(&folder.path().join("one"), 1)?;
        output.note("three servers …");
        let three = self.on_servers(&folder.path().join("three"), 3)?;
        output.note("the owner is killed …");
        let failover_ms = self.failovers(&folder.path().join("failover"))?;
        let in_flight = self.in_flight.get();
        let report = Report { in_flight, folder: in_folder, one_server: one, three_servers: three, failover_ms };
        output.report(&report, || text(&report))
    }

    fn on_servers(&self, folder: &Path, count: usize) -> anyhow::Result<Throughput> {
        let servers = NatsCluster::start(&self.nats_server()?, folder, count)?;
        let secret = folder.join("journal-secret");
        let monitoring = Some(servers.monitoring());
        let options = JournalOptions { monitoring, replicas: count, ..JournalOptions::new(secret) };
        let (parts, members) = join(&servers.connect_options(), &options, &host_options(folder.join("host")))?;
        let host = parts.first_host().clone();
        wait_until("this host owns the journal", || Ok(host.is_leading()))?;
        let measured = self.measure(&host)?;
        members.stop();
        shut(host)?;
        Ok(measured)
    }

    fn measure(&self, host: &Host) -> anyhow::Result<Throughput> {
        host.deployments()
            .attach(&TenantName::new(MAIN_TENANT)?, host.deployments().load(&self.inputs.component()?)?)?;
        let load = Load::new(host.clone(), self.aggregates, self.in_flight, Spread::Uniform, 0)?;
        load.prepare()?;
        let frames = host.journal_statistics().frames;
        let run = load.run(RunLength::Commands(self.commands))?;
        let frames = host.journal_statistics().frames - frames;
        Ok(Throughput {
            commands_per_second: per_second(run.commands, run.took),
            latency: Latency::of(run.times),
            commands_per_frame: run.commands as f64 / frames.max(1) as f64,
        })
    }

    /// Runs two hosts on one server. Kills the owner of the journal, and asks the other host until it accepts a change.
    fn failovers(&self, folder: &Path) -> anyhow::Result<Vec<u128>> {
        let servers = NatsCluster::start(&self.nats_server()?, folder, 1)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let put = |host: &ClusterHost, path: &str, body: Vec<u8>| {
            let request = http
                .put(format!("{}{path}", host.process.address))
                .header("content-type", "application/wasm")
                .body(body)
                .send();
            runtime.block_on(request).and_then(reqwest::Response::error_for_status).map(drop)
        };
        let mut owner = ClusterHost::start(&servers, &folder.join("host-0"))?;
        wait_until("the first host owns the journal", || owner.owns_the_journal())?;
        put(&owner, "/v1/main/domains/orders", self.inputs.component()?)?;
        let mut took = Vec::new();
        for kill in 1..=KILLS {
            let other = ClusterHost::start(&servers, &folder.join(format!("host-{kill}")))?;
            wait_until("another host has caught up", || Ok(put(&other, "/v1/tenants/main", Vec::new()).is_ok()))?;
            drop(owner);
            let start = Instant::now();
            wait_until("another host takes changes", || {
                Ok(put(&other, &format!("/v1/tenants/tenant-{kill}"), Vec::new()).is_ok())
            })?;
            took.push(start.elapsed().as_millis());
            owner = other;
        }
        Ok(took)
    }

    fn nats_server(&self) -> anyhow::Result<PathBuf> {
        if let Some(file) = &self.nats_server {
            return Ok(file.clone());
        }
        let on_path = std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).map(|folder| folder.join("nats-server")).find(|file| file.is_file())
        });
        let beside = || {
            let program = std::env::current_exe().ok()?;
            Some(program.parent()?.parent()?.join("tools/nats-server")).filter(|file| file.is_file())
        };
        on_path
            .or_else(beside)
            .context("there is no nats-server: run `cargo xtask setup`, or name one with --nats-server")
    }
}

fn shut(host: Host) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(host.shutdown());
    Ok(())
}

/// A host that shares its journal with others, and the file of its log.
struct ClusterHost {
    process: HostProcess,
    log: PathBuf,
}

impl ClusterHost {
    fn start(servers: &NatsCluster, data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data)?;
        let log = data.join("log");
        let options = [
            "--journal".into(),
            "jetstream".into(),
            "--nats".into(),
            servers.urls().into(),
            "--nats-monitoring".into(),
            servers.monitoring().into(),
            "--journal-secret".into(),
            data.with_file_name("journal-secret").into(),
        ];
        let process = HostProcess::start_with(data, &options, File::create(&log)?.into());
        let process = process.with_context(|| {
            format!("the host did not start: {}", std::fs::read_to_string(&log).unwrap_or_default())
        })?;
        Ok(Self { process, log })
    }

    fn owns_the_journal(&self) -> anyhow::Result<bool> {
        Ok(std::fs::read_to_string(&self.log)?.contains("this host owns the journal now"))
    }
}

fn text(report: &Report) -> String {
    let line = |name: &str, throughput: &Throughput| {
        format!(
            "{name:<34}{:>10.0} commands/s   {}   {:.0} commands per frame\n",
            throughput.commands_per_second, throughput.latency, throughput.commands_per_frame
        )
    };
    let took: Vec<_> = report.failover_ms.iter().map(|took| format!("{took} ms")).collect();
    format!(
        "{} in flight\n\n{}{}{}\nowner killed, until another host takes changes: {}\n",
        report.in_flight,
        line("journal in a folder", &report.folder),
        line("JetStream, one server, sync always", &report.one_server),
        line("JetStream, R3, sync always", &report.three_servers),
        took.join(", ")
    )
}
