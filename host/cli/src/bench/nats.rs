//! `polder bench nats`: commands and events over NATS, beside what bare NATS does on the same machine in the same run.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Args;
use polder_bridge::events::EventStreams;
use polder_bridge::{ConnectOptions, Connection, measure};
use polder_core::TenantName;
use polder_engine::{Host, HostOptions, MAIN_TENANT};
use polder_server::{Nats as NatsFace, Parts, Server};
use serde::Serialize;
use tokio::runtime::Runtime;

use super::figures::per_second;
use super::fill::fill;
use super::options::{History, Place};
use super::orders::Orders;
use super::spread::Spread;
use crate::failure::Outcome;
use crate::output::Output;

const EVENTS_STREAM: &str = "polder-events-main";
/// Until the server that was started answers.
const START_WAIT_MAX: Duration = Duration::from_secs(10);
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Of the plain publisher: what the bridge has under way at most.
const UNCONFIRMED_MAX: usize = 4_096;
/// A typical event of this load as NATS has it, headers included, in bytes.
const MESSAGE_BYTES: usize = 700;

/// Commands and events over NATS, beside bare request-reply and bare publishing: server, host and load on this machine.
#[derive(Args)]
pub(crate) struct Nats {
    #[command(flatten)]
    place: Place,
    /// The nats-server to start [default: the one on the PATH].
    #[arg(long, value_name = "FILE", default_value = "nats-server")]
    nats_server: PathBuf,
    /// How many requests to time, of the echo and of the host.
    #[arg(long, default_value_t = 400_000)]
    commands: usize,
    #[arg(long, default_value_t = 10_000)]
    aggregates: usize,
    #[arg(long, default_value_t = 256)]
    in_flight: usize,
    /// The backlog that is published.
    #[arg(long, default_value_t = 500_000)]
    events: usize,
}

#[derive(Serialize)]
struct Report {
    in_flight: usize,
    echo_per_second: f64,
    commands_per_second: f64,
    share_of_echo: f64,
    /// Of the commands' events, when the last command was answered.
    published_meanwhile: u64,
    events: usize,
    plain_events_per_second: f64,
    bridge_events_per_second: f64,
    share_of_plain: f64,
}

impl Nats {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        let folder = self.place.folder()?;
        let report = self.measure(folder.path(), output)?;
        output.answer(&report, || text(&report))
    }

    fn measure(&self, folder: &Path, output: &Output) -> anyhow::Result<Report> {
        ensure!(self.aggregates >= self.in_flight, "at least one aggregate for each command in flight is needed");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        output.note("bare echo, commands …");
        let server = NatsServer::start(&self.nats_server, &folder.join("nats"))?;
        let connection = runtime.block_on(server.connect())?;
        let echo = runtime.block_on(self.echo(&server, &connection))?;
        let (commands, published_meanwhile) = self.answered(&server, &connection, &runtime, folder)?;
        output.note("filling the backlog …");
        let events = self.backlog(&runtime, folder)?;
        output.note("plain publisher, bridge …");
        let payload = Bytes::from(vec![b'x'; MESSAGE_BYTES]);
        let plain = measure::publish(&connection, "plain", events, UNCONFIRMED_MAX, payload);
        let plain = per_second(events, runtime.block_on(plain)?);
        let bridge = self.published(&server, &connection, &runtime, folder, events)?;
        Ok(Report {
            in_flight: self.in_flight,
            echo_per_second: echo,
            commands_per_second: commands,
            share_of_echo: commands / echo,
            published_meanwhile,
            events,
            plain_events_per_second: plain,
            bridge_events_per_second: bridge,
            share_of_plain: bridge / plain,
        })
    }

    async fn echo(&self, server: &NatsServer, connection: &Connection) -> anyhow::Result<f64> {
        let answering = server.connect().await?;
        let _echo = measure::echo(&answering, "echo.>").await?;
        let orders = Orders::new(self.aggregates, Spread::Uniform, 0)?;
        let request = |_| request("echo", &orders);
        let took = measure::ask(connection, self.commands, self.in_flight, request, |_| Ok(())).await?;
        Ok(per_second(self.commands, took))
    }

    /// The rate of commands, and how many events had been published when the last was answered.
    fn answered(
        &self,
        server: &NatsServer,
        connection: &Connection,
        runtime: &Runtime,
        folder: &Path,
    ) -> anyhow::Result<(f64, u64)> {
        let (host, face) = self.host(server, runtime, &folder.join("commands"))?;
        let accepted = |answer: &[u8]| match answer.starts_with(br#"{"status":"accepted""#) {
            true => Ok(()),
            false => Err(String::from_utf8_lossy(answer).into_owned()),
        };
        let orders = Orders::new(self.aggregates, Spread::Uniform, 0)?;
        let request = |_| request(MAIN_TENANT, &orders);
        let took = runtime.block_on(async {
            measure::ask(connection, self.aggregates, self.in_flight, request, accepted).await?;
            measure::ask(connection, self.commands, self.in_flight, request, accepted).await
        })?;
        let published = runtime.block_on(measure::messages(connection, EVENTS_STREAM));
        drop(face);
        runtime.block_on(host.shutdown());
        let removing = EventStreams { replicas: 1 };
        runtime.block_on(removing.remove(connection, &TenantName::new(MAIN_TENANT)?))?;
        Ok((per_second(self.commands, took), published))
    }

    fn backlog(&self, runtime: &Runtime, folder: &Path) -> anyhow::Result<usize> {
        let host = self.open(&folder.join("backlog"))?;
        let history = History { events: self.events, aggregates: self.aggregates };
        let events = fill(&host, &history)?.commands;
        runtime.block_on(host.shutdown());
        Ok(events)
    }

    fn published(
        &self,
        server: &NatsServer,
        connection: &Connection,
        runtime: &Runtime,
        folder: &Path,
        events: usize,
    ) -> anyhow::Result<f64> {
        let (host, face) = self.host(server, runtime, &folder.join("backlog"))?;
        // It began when the face was there; what was published by now does not count.
        let (began, before) = (Instant::now(), runtime.block_on(measure::messages(connection, EVENTS_STREAM)));
        runtime.block_on(async {
            while measure::messages(connection, EVENTS_STREAM).await < events as u64 {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        });
        let took = began.elapsed();
        drop(face);
        runtime.block_on(host.shutdown());
        Ok(per_second(events - before as usize, took))
    }

    fn host(&self, server: &NatsServer, runtime: &Runtime, folder: &Path) -> anyhow::Result<(Host, Server)> {
        let host = self.open(folder)?;
        let face = runtime.block_on(async {
            let nats = NatsFace::connect(&server.options(), EventStreams { replicas: 1 }).await?;
            anyhow::Ok(Server::start(Parts::alone(host.clone()), Some(nats)).await?)
        })?;
        Ok((host, face))
    }

    /// Without projections: the figures are the bridge's and the write path's.
    fn open(&self, folder: &Path) -> anyhow::Result<Host> {
        let host = Host::open(HostOptions::new(folder))?;
        host.attach(&TenantName::new(MAIN_TENANT)?, host.load(&self.place.component()?)?)?;
        Ok(host)
    }
}

/// The next command, as it is sent to a tenant.
fn request(tenant: &str, orders: &Orders) -> (String, Bytes) {
    let (_, command) = orders.next().expect("a number makes a good id");
    let subject = format!("{tenant}.cmd.orders.order.{}.{}", command.aggregate_id, command.name);
    (subject, command.payload)
}

/// A server of our own, with its files in a folder of ours.
struct NatsServer {
    child: Child,
    port: u16,
}

impl NatsServer {
    fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        // Free now; a server that finds it taken says so and ends.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(program);
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"]).arg(folder);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.with_context(|| {
            format!(
                "cannot start {}: name one with --nats-server; `cargo xtask setup` puts one into target/tools",
                program.display()
            )
        })?;
        Ok(Self { child, port })
    }

    fn options(&self) -> ConnectOptions {
        ConnectOptions { urls: format!("nats://127.0.0.1:{}", self.port), ..ConnectOptions::default() }
    }

    async fn connect(&self) -> anyhow::Result<Connection> {
        let began = Instant::now();
        loop {
            match Connection::open(&self.options(), "polder bench").await {
                Ok(connection) => return Ok(connection),
                Err(error) if began.elapsed() > START_WAIT_MAX => return Err(error.into()),
                Err(_) => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(report: &Report) -> String {
    format!(
        "{} in flight; server, host and load on this machine\n\n\
         bare echo                {:>10.0} requests/s\n\
         commands, with fsync     {:>10.0} commands/s   {:.2} of the echo; {} events published meanwhile\n\n\
         backlog of {} events\n\
         plain publisher          {:>10.0} messages/s\n\
         bridge                   {:>10.0} events/s     {:.2} of the plain one\n",
        report.in_flight,
        report.echo_per_second,
        report.commands_per_second,
        report.share_of_echo,
        report.published_meanwhile,
        report.events,
        report.plain_events_per_second,
        report.bridge_events_per_second,
        report.share_of_plain
    )
}
