//! `polder bench jetstream`: durable commands per second on the JetStream journal, on one server and on three, beside
//! the journal in a folder. Also the time without service after the journal's owner was killed.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use polder_core::TenantName;
use polder_engine::{Host, HostOptions, MAIN_TENANT};
use polder_nats::ConnectOptions;
use polder_nats::journal::JournalOptions;
use polder_server::join;
use serde::Serialize;

use super::figures::{Latency, per_second};
use super::load::{Amount, Load};
use super::options::Place;
use super::spread::Spread;
use crate::failure::Outcome;
use crate::output::Output;

/// Longest wait until servers are ready, or a host owns the journal.
const READY_WAIT_MAX: Duration = Duration::from_secs(30);
const CHECK_PAUSE: Duration = Duration::from_millis(10);
/// Number of times that the owner is killed.
const KILLS: usize = 3;

/// Measure durable commands per second on the JetStream journal, in this process, while every server syncs each
/// message; and the length of a failover.
#[derive(Args)]
pub(crate) struct JetStream {
    #[command(flatten)]
    place: Place,
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
    folder: Through,
    one_server: Through,
    three_servers: Through,
    failover_ms: Vec<u128>,
}

#[derive(Serialize)]
struct Through {
    commands_per_second: f64,
    latency: Latency,
    commands_per_frame: f64,
}

impl JetStream {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = self.place.folder()?;
        output.note("journal in a folder …");
        let host = Host::open(HostOptions::new(folder.path().join("folder")))?;
        let in_folder = self.through(&host)?;
        shut(host)?;
        output.note("one server …");
        let one = self.on_servers(&folder.path().join("one"), 1)?;
        output.note("three servers …");
        let three = self.on_servers(&folder.path().join("three"), 3)?;
        output.note("the owner is killed …");
        let failover_ms = self.failovers(&folder.path().join("failover"))?;
        let in_flight = self.in_flight.get();
        let report = Report { in_flight, folder: in_folder, one_server: one, three_servers: three, failover_ms };
        output.answer(&report, || text(&report))
    }

    fn on_servers(&self, folder: &Path, count: usize) -> anyhow::Result<Through> {
        let servers = Servers::start(&self.nats_server()?, folder, count)?;
        let secret = folder.join("journal-secret");
        let monitoring = Some(servers.monitoring());
        let options = JournalOptions { monitoring, replicas: count, ..JournalOptions::new(secret) };
        let (parts, members) = join(&servers.connect(), &options, &HostOptions::new(folder.join("host")))?;
        let host = parts.first_host().clone();
        wait_until("this host owns the journal", || Ok(host.is_leading()))?;
        let through = self.through(&host)?;
        members.stop();
        shut(host)?;
        Ok(through)
    }

    fn through(&self, host: &Host) -> anyhow::Result<Through> {
        host.deployments()
            .attach(&TenantName::new(MAIN_TENANT)?, host.deployments().load(&self.place.component()?)?)?;
        let load = Load::new(host.clone(), self.aggregates, self.in_flight, Spread::Uniform, 0)?;
        load.prepare()?;
        let frames = host.journal_statistics().frames;
        let run = load.run(Amount::Commands(self.commands))?;
        let frames = host.journal_statistics().frames - frames;
        Ok(Through {
            commands_per_second: per_second(run.commands, run.took),
            latency: Latency::of(run.times),
            commands_per_frame: run.commands as f64 / frames.max(1) as f64,
        })
    }

    /// Runs two hosts on one server. Kills the owner of the journal, and asks the other host until it accepts a change.
    fn failovers(&self, folder: &Path) -> anyhow::Result<Vec<u128>> {
        let servers = Servers::start(&self.nats_server()?, folder, 1)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let put = |served: &Served, path: &str, body: Vec<u8>| {
            let request = http.put(format!("{}{path}", served.address)).body(body).send();
            runtime.block_on(request).and_then(reqwest::Response::error_for_status).map(drop)
        };
        let mut owner = Served::start(&servers, &folder.join("host-0"))?;
        wait_until("the first host owns the journal", || owner.owns())?;
        put(&owner, "/v1/main/domains/orders", self.place.component()?)?;
        let mut took = Vec::new();
        for kill in 1..=KILLS {
            let other = Served::start(&servers, &folder.join(format!("host-{kill}")))?;
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

fn wait_until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let start = Instant::now();
    while !is_so()? {
        ensure!(start.elapsed() < READY_WAIT_MAX, "timed out before {what}");
        sleep(CHECK_PAUSE);
    }
    Ok(())
}

/// A child process that is killed when this value is dropped.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // Both fail only if the process has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Servers that sync every message; several of them form one cluster.
struct Servers {
    clients: Vec<u16>,
    monitoring: Vec<u16>,
    _children: Vec<Killed>,
}

impl Servers {
    fn start(program: &Path, folder: &Path, count: usize) -> anyhow::Result<Self> {
        let (clients, monitoring, cluster) = (free_ports(count)?, free_ports(count)?, free_ports(count)?);
        let routes: Vec<_> = cluster.iter().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).collect();
        let mut children = Vec::new();
        for number in 0..count {
            let own = folder.join(format!("nats-{number}"));
            std::fs::create_dir_all(&own)?;
            let mut text = format!(
                "server_name: bench-{number}\nlisten: \"127.0.0.1:{}\"\nhttp: \"127.0.0.1:{}\"\n\
                 jetstream {{ store_dir: \"{}\"\nsync_interval: always }}\n",
                clients[number],
                monitoring[number],
                own.display()
            );
            if count > 1 {
                let (port, routes) = (cluster[number], routes.join(", "));
                text.push_str(&format!(
                    "cluster {{ name: bench, listen: \"127.0.0.1:{port}\", routes: [{routes}] }}\n"
                ));
            }
            let configuration = own.join("nats-server.conf");
            std::fs::write(&configuration, text)?;
            let log = File::create(own.join("log"))?;
            let child = Command::new(program)
                .arg("--config")
                .arg(&configuration)
                .stdin(Stdio::null())
                .stdout(log.try_clone()?)
                .stderr(log)
                .spawn();
            children.push(Killed(child.with_context(|| format!("cannot start {}", program.display()))?));
        }
        for port in &monitoring {
            wait_until("nats-server is ready", || Ok(is_healthy(*port).unwrap_or(false)))?;
        }
        Ok(Self { clients, monitoring, _children: children })
    }

    fn urls(&self) -> String {
        self.clients.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect::<Vec<_>>().join(",")
    }

    fn connect(&self) -> ConnectOptions {
        ConnectOptions { urls: self.urls(), ..ConnectOptions::default() }
    }

    fn monitoring(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitoring[0])
    }
}

fn free_ports(count: usize) -> anyhow::Result<Vec<u16>> {
    let held = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

fn is_healthy(port: u16) -> std::io::Result<bool> {
    use std::io::{Read as _, Write as _};
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.0 200 "))
}

/// `polder serve` in its own process, so that it can be killed.
struct Served {
    address: String,
    log: PathBuf,
    _child: Killed,
}

impl Served {
    fn start(servers: &Servers, data: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data)?;
        let log = data.join("log");
        let mut child = Command::new(std::env::current_exe()?)
            .args(["serve", "--listen", "127.0.0.1:0", "--journal", "jetstream", "--data"])
            .arg(data)
            .args(["--nats", &servers.urls(), "--nats-monitoring", &servers.monitoring(), "--journal-secret"])
            .arg(data.with_file_name("journal-secret"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let child = Killed(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        match line.trim_end().strip_prefix("listening on ") {
            Some(address) => Ok(Self { address: address.to_owned(), log, _child: child }),
            None => bail!("the host did not start: {}", std::fs::read_to_string(&log)?),
        }
    }

    fn owns(&self) -> anyhow::Result<bool> {
        Ok(std::fs::read_to_string(&self.log)?.contains("this host owns the journal now"))
    }
}

fn text(report: &Report) -> String {
    let through = |name: &str, through: &Through| {
        format!(
            "{name:<34}{:>10.0} commands/s   {}   {:.0} commands per frame\n",
            through.commands_per_second, through.latency, through.commands_per_frame
        )
    };
    let took: Vec<_> = report.failover_ms.iter().map(|took| format!("{took} ms")).collect();
    format!(
        "{} in flight\n\n{}{}{}\nowner killed, until another host takes changes: {}\n",
        report.in_flight,
        through("journal in a folder", &report.folder),
        through("JetStream, one server, sync always", &report.one_server),
        through("JetStream, R3, sync always", &report.three_servers),
        took.join(", ")
    )
}
