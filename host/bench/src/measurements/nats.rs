//! `polder-bench nats`: commands and events over NATS, beside bare NATS on the same machine in the same run.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::ensure;
use bytes::Bytes;
use clap::Args;
use polder_core::TenantName;
use polder_engine::{Host, MAIN_TENANT};
use polder_nats::Connection;
use polder_nats::events::EventStreams;
use polder_nats::measure::{self, Asked, Span};
use polder_server::{Nats as NatsInterface, Partitions, Server};
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::figures::{Sent, per_second};
use crate::load::fill;
use crate::load::orders::Orders;
use crate::load::spread::Spread;
use crate::options::{Inputs, host_options};
use crate::output::Output;
use crate::processes::nats_server::NatsServer;

const EVENTS_STREAM: &str = "polder-events-main";
const ECHOED_STREAM: &str = "echoed";
/// Requests in flight that draft the orders before the clock starts.
const PREPARING: usize = 64;
const CHECK_INTERVAL: Duration = Duration::from_millis(20);
/// Unconfirmed messages of the plain publisher: at most as many as the bridge has in flight.
const UNCONFIRMED_MAX: usize = 4_096;
/// Bytes of a typical event of this load at NATS, headers included.
const MESSAGE_BYTES: usize = 700;

/// Measure commands and events over NATS, beside bare request-reply and bare publishing. Server, host and load run on
/// this machine.
#[derive(Args)]
pub(crate) struct Nats {
    #[command(flatten)]
    inputs: Inputs,
    /// The nats-server to start [default: the one on the PATH].
    #[arg(long, value_name = "FILE", default_value = "nats-server")]
    nats_server: PathBuf,
    /// Numbers of requests in flight, with a run for each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,4,16,64,256,1024")]
    in_flight: Vec<NonZeroUsize>,
    /// Length of each run, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    aggregates: usize,
    /// Events of the backlog that is published.
    #[arg(long, default_value_t = 500_000)]
    events: usize,
}

#[derive(Serialize)]
struct Report {
    aggregates: usize,
    runs: Vec<Level>,
    /// Events of the backlog.
    events: usize,
    plain_events_per_second: f64,
    bridge_events_per_second: f64,
    share_of_plain: f64,
}

#[derive(Serialize)]
struct Level {
    in_flight: usize,
    echo_floor: Sent,
    /// An echo that publishes a message for each request.
    publishing_echo_floor: Sent,
    commands: Sent,
    share_of_echo: f64,
    share_of_publishing_echo: f64,
    /// Events of the run's commands that were published when the last command was answered.
    published_meanwhile: u64,
}

impl Nats {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let report = self.measure(folder.path(), output)?;
        output.report(&report, || text(&report))
    }

    fn measure(&self, folder: &Path, output: &Output) -> anyhow::Result<Report> {
        let most = self.in_flight.iter().map(|in_flight| in_flight.get()).max().unwrap_or_default();
        ensure!(self.aggregates >= most, "at least one aggregate for each command in flight is needed");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let server = NatsServer::start(&self.nats_server, &folder.join("nats"))?;
        let connection = runtime.block_on(server.connect())?;
        let runs = self.levels(&server, &connection, &runtime, folder, output)?;
        output.note("filling the backlog …");
        let events = self.backlog(&runtime, folder)?;
        output.note("plain publisher, bridge …");
        let payload = Bytes::from(vec![b'x'; MESSAGE_BYTES]);
        let plain = measure::publish(&connection, "plain", events, UNCONFIRMED_MAX, payload);
        let plain = per_second(events, runtime.block_on(plain)?);
        let bridge = self.published(&server, &connection, &runtime, folder, events)?;
        Ok(Report {
            aggregates: self.aggregates,
            runs,
            events,
            plain_events_per_second: plain,
            bridge_events_per_second: bridge,
            share_of_plain: bridge / plain,
        })
    }

    /// Measures the echoes and the host in turn.
    fn levels(
        &self,
        server: &NatsServer,
        connection: &Connection,
        runtime: &Runtime,
        folder: &Path,
        output: &Output,
    ) -> anyhow::Result<Vec<Level>> {
        let (host, interface) = self.host(server, runtime, &folder.join("commands"))?;
        let runs = runtime.block_on(async {
            let answering = server.connect().await?;
            let _echo = measure::echo(&answering, "echo.>").await?;
            let _publishing_echo =
                measure::echo_and_publish(&answering, "publishing-echo.>", ECHOED_STREAM, UNCONFIRMED_MAX).await?;
            // Each load has its own orders, because an order's next command depends on those before.
            let (orders, echoed) = (self.orders()?, self.orders()?);
            let ask_echo = async |name: &'static str, in_flight, span| {
                measure::ask(connection, in_flight, span, || request(name, &echoed), |_| Ok(())).await
            };
            let ask_host = async |in_flight, span| {
                measure::ask(connection, in_flight, span, || request(MAIN_TENANT, &orders), accepted).await
            };
            let mut recorded = ask_host(PREPARING, Span::Count(self.aggregates)).await?.latencies.len();
            let span = Span::For(Duration::from_secs_f64(self.seconds));
            let mut runs = Vec::with_capacity(self.in_flight.len());
            for in_flight in self.in_flight.iter().map(|in_flight| in_flight.get()) {
                output.note(&format!("{in_flight} in flight …"));
                let echo_floor = sent(ask_echo("echo", in_flight, span).await?);
                let publishing_echo_floor = sent(ask_echo("publishing-echo", in_flight, span).await?);
                // Unpublished events of the run before would distort this run.
                until_published(connection, recorded).await;
                let commands = sent(ask_host(in_flight, span).await?);
                let published = measure::messages(connection, EVENTS_STREAM).await;
                runs.push(Level {
                    in_flight,
                    share_of_echo: commands.commands_per_second / echo_floor.commands_per_second,
                    share_of_publishing_echo: commands.commands_per_second / publishing_echo_floor.commands_per_second,
                    published_meanwhile: published.saturating_sub(recorded as u64),
                    echo_floor,
                    publishing_echo_floor,
                    commands,
                });
                recorded += runs.last().map_or(0, |level| level.commands.commands);
            }
            anyhow::Ok(runs)
        })?;
        drop(interface);
        runtime.block_on(host.shutdown());
        let removing = EventStreams { replicas: 1 };
        runtime.block_on(removing.remove(connection, &TenantName::new(MAIN_TENANT)?))?;
        Ok(runs)
    }

    fn orders(&self) -> anyhow::Result<Orders> {
        Orders::new(self.aggregates, Spread::Uniform, 0)
    }

    fn backlog(&self, runtime: &Runtime, folder: &Path) -> anyhow::Result<usize> {
        let host = self.open(&folder.join("backlog"))?;
        let events = fill(&host, self.events, self.aggregates)?.commands;
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
        let (host, interface) = self.host(server, runtime, &folder.join("backlog"))?;
        // Publishing began when the server started, so events published by now do not count.
        let (began, before) = (Instant::now(), runtime.block_on(measure::messages(connection, EVENTS_STREAM)));
        runtime.block_on(until_published(connection, events));
        let took = began.elapsed();
        drop(interface);
        runtime.block_on(host.shutdown());
        Ok(per_second(events - before as usize, took))
    }

    fn host(&self, server: &NatsServer, runtime: &Runtime, folder: &Path) -> anyhow::Result<(Host, Server)> {
        let host = self.open(folder)?;
        let interface = runtime.block_on(async {
            let nats = NatsInterface::connect(&server.options(), EventStreams { replicas: 1 }).await?;
            anyhow::Ok(Server::start(Partitions::alone(host.clone()), Some(nats)).await?)
        })?;
        Ok((host, interface))
    }

    /// Opens a host without projections: the figures are those of the bridge and of the write path.
    fn open(&self, folder: &Path) -> anyhow::Result<Host> {
        let host = Host::open(host_options(folder))?;
        host.deployments()
            .attach(&TenantName::new(MAIN_TENANT)?, host.deployments().load(&self.inputs.component()?)?)?;
        Ok(host)
    }
}

fn sent(Asked { took, latencies }: Asked) -> Sent {
    Sent::of(latencies, took)
}

async fn until_published(connection: &Connection, events: usize) {
    while measure::messages(connection, EVENTS_STREAM).await < events as u64 {
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

fn accepted(answer: &[u8]) -> Result<(), String> {
    match answer.starts_with(br#"{"status":"accepted""#) {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(answer).into_owned()),
    }
}

/// The subject and the payload of the next command to a tenant.
fn request(tenant: &str, orders: &Orders) -> (String, Bytes) {
    let (_, command) = orders.next().expect("a number makes a good id");
    let subject = format!("{tenant}.cmd.orders.order.{}.{}", command.aggregate_id, command.name);
    (subject, command.payload)
}

fn text(report: &Report) -> String {
    let mut text = format!("{} aggregates; server, host and load on this machine\n\n", report.aggregates);
    for level in &report.runs {
        text.push_str(&format!(
            "{:>5} in flight {:>10.0} commands/s   {}   {:.2} of the bare echo's {:.0} requests/s, {:.2} of the {:.0} of an echo that publishes; {} events published meanwhile\n",
            level.in_flight,
            level.commands.commands_per_second,
            level.commands.latency,
            level.share_of_echo,
            level.echo_floor.commands_per_second,
            level.share_of_publishing_echo,
            level.publishing_echo_floor.commands_per_second,
            level.published_meanwhile
        ));
    }
    text.push_str(&format!(
        "\nbacklog of {} events\n\
         plain publisher          {:>10.0} messages/s\n\
         bridge                   {:>10.0} events/s     {:.2} of the plain one\n",
        report.events, report.plain_events_per_second, report.bridge_events_per_second, report.share_of_plain
    ));
    text
}
