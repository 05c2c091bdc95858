//! `polder-bench http`: durable commands over HTTP to a host in its own process, beside a server that only reads the
//! requests and answers with a typical acknowledgement. Connections are kept; each sends its next command after the
//! acknowledgement of the one before.

mod connection;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;
use tokio::task::LocalSet;

use crate::figures::Sent;
use crate::floors::http_echo;
use crate::load::orders::Orders;
use crate::load::spread::Spread;
use crate::options::Inputs;
use crate::output::Output;
use crate::processes::host_process::HostProcess;
use connection::Connection;

/// Connections that draft the orders before the clock starts.
const PREPARING: usize = 64;

/// Measure commands over HTTP on kept connections, each with one command in flight.
#[derive(Args)]
pub(crate) struct Http {
    #[command(flatten)]
    inputs: Inputs,
    /// Numbers of connections, with a run for each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,4,16,64,256,1024")]
    connections: Vec<NonZeroUsize>,
    /// Length of each run, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    aggregates: usize,
}

#[derive(Serialize)]
struct Report {
    aggregates: usize,
    runs: Vec<Level>,
}

#[derive(Serialize)]
struct Level {
    connections: usize,
    /// A server that answers and does nothing else.
    echo_floor: Sent,
    host: Sent,
    share_of_echo: f64,
    /// CPU time of the host's process alone.
    host_cpu_seconds_per_million: f64,
    host_resident_bytes: u64,
}

/// The end of a run.
#[derive(Clone, Copy)]
pub(super) enum Span {
    Round(usize),
    For(Duration),
}

impl Http {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let echo = http_echo::Server::start()?;
        let host = HostProcess::start(folder.path())?;
        let address: SocketAddr = host.address.trim_start_matches("http://").parse().context("its address")?;
        runtime.block_on(deploy(&host.address, self.inputs.component()?))?;
        let (orders, echoed) = (self.orders()?, self.orders()?);
        let load = |address, orders: &Rc<Orders>, connections, span| {
            LocalSet::new().block_on(&runtime, call(address, Rc::clone(orders), connections, span))
        };
        load(address, &orders, PREPARING, Span::Round(self.aggregates))?;
        let span = Span::For(Duration::from_secs_f64(self.seconds));
        let mut runs = Vec::with_capacity(self.connections.len());
        for &connections in &self.connections {
            output.note(&format!("{connections} connections …"));
            let echo_floor = load(echo.address, &echoed, connections.get(), span)?;
            let cpu_before = host.cpu_time()?;
            let commands = load(address, &orders, connections.get(), span)?;
            let cpu = host.cpu_time()? - cpu_before;
            runs.push(Level {
                connections: connections.get(),
                share_of_echo: commands.commands_per_second / echo_floor.commands_per_second,
                host_cpu_seconds_per_million: cpu.as_secs_f64() * 1e6 / commands.commands as f64,
                host_resident_bytes: host.resident_bytes()?,
                echo_floor,
                host: commands,
            });
        }
        host.close()?;
        let report = Report { aggregates: self.aggregates, runs };
        output.report(&report, || text(&report))
    }

    fn orders(&self) -> anyhow::Result<Rc<Orders>> {
        Ok(Rc::new(Orders::new(self.aggregates, Spread::Uniform, 0)?))
    }
}

pub(super) async fn deploy(address: &str, component: Vec<u8>) -> anyhow::Result<()> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let answer = http
        .put(format!("{address}/v1/main/domains/orders"))
        .header("content-type", "application/wasm")
        .body(component)
        .send()
        .await?;
    let (status, text) = (answer.status(), answer.text().await?);
    ensure!(status.is_success(), "the host answered {status}: {text}");
    Ok(())
}

/// Runs all connections on one thread: the callers should take little CPU time beside the host.
pub(super) async fn call(
    address: SocketAddr,
    orders: Rc<Orders>,
    connections: usize,
    span: Span,
) -> anyhow::Result<Sent> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let began = Instant::now();
    let rest = Rc::new(std::cell::Cell::new(match span {
        Span::Round(commands) => commands,
        Span::For(_) => usize::MAX,
    }));
    let end = match span {
        Span::Round(_) => None,
        Span::For(time) => Some(began + time),
    };
    let callers: Vec<_> = open
        .into_iter()
        .map(|mut connection| {
            let (orders, rest) = (Rc::clone(&orders), Rc::clone(&rest));
            tokio::task::spawn_local(async move {
                let mut times = Vec::new();
                let mut now = began;
                while rest.get() > 0 && end.is_none_or(|end| now < end) {
                    rest.set(rest.get() - 1);
                    let (_, command) = orders.next()?;
                    let began = Instant::now();
                    connection.send(&command).await?;
                    now = Instant::now();
                    times.push(now - began);
                }
                anyhow::Ok(times)
            })
        })
        .collect();
    let mut times = Vec::new();
    for caller in callers {
        times.extend(caller.await.context("a caller panicked")??);
    }
    Ok(Sent::of(times, began.elapsed()))
}

fn text(report: &Report) -> String {
    let mut text = format!("{} aggregates\n\n", report.aggregates);
    for run in &report.runs {
        text.push_str(&format!(
            "{:>5} connections {:>9.0} commands/s   {}   {:.1} CPU s per million\n{:>17} {:>9.0} answers/s of a server that does nothing else: {:.2} of it\n",
            run.connections,
            run.host.commands_per_second,
            run.host.latency,
            run.host_cpu_seconds_per_million,
            "",
            run.echo_floor.commands_per_second,
            run.share_of_echo
        ));
    }
    text
}
