//! `polder-bench batch`: the same commands by the batch route and one by one, to a host in its own process. The figure
//! of an import: how much faster many lines in one request are than a request for each of them.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use clap::Args;
use polder_core::Command;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

use super::http::{Span, call, deploy};
use crate::figures::per_second;
use crate::load::orders::Orders;
use crate::load::spread::Spread;
use crate::options::Inputs;
use crate::output::Output;
use crate::processes::host_process::HostProcess;

/// Send commands in batches, and the same number one by one on kept connections.
#[derive(Args)]
pub(crate) struct Batch {
    #[command(flatten)]
    inputs: Inputs,
    /// Commands of each run.
    #[arg(long, default_value_t = 100_000)]
    commands: usize,
    /// Numbers of requests at a time (of connections, where commands are sent one by one), with a run for each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,8")]
    requests: Vec<NonZeroUsize>,
    /// Number of aggregates that the commands go to.
    #[arg(long, default_value_t = 10_000)]
    aggregates: usize,
}

#[derive(Serialize)]
struct Report {
    commands: usize,
    runs: Vec<Level>,
}

#[derive(Serialize)]
struct Level {
    requests: usize,
    batch_seconds: f64,
    batch_commands_per_second: f64,
    one_by_one_seconds: f64,
    one_by_one_commands_per_second: f64,
    factor: f64,
}

/// A line of a batch.
#[derive(Serialize)]
struct Line<'a> {
    address: String,
    command_id: Option<&'a str>,
    payload: &'a RawValue,
}

/// An answer to a line.
#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    status: &'a RawValue,
}

impl Batch {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let folder = self.inputs.folder()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut runs = Vec::with_capacity(self.requests.len());
        for &requests in &self.requests {
            output.note(&format!("{requests} requests at a time …"));
            let one_by_one_seconds =
                self.one_by_one(&runtime, &folder.path().join(format!("one-{requests}")), requests)?;
            let batch_seconds = self.batches(&runtime, &folder.path().join(format!("batch-{requests}")), requests)?;
            let rate = |seconds: f64| per_second(self.commands, Duration::from_secs_f64(seconds));
            runs.push(Level {
                requests: requests.get(),
                batch_seconds,
                batch_commands_per_second: rate(batch_seconds),
                one_by_one_seconds,
                one_by_one_commands_per_second: rate(one_by_one_seconds),
                factor: one_by_one_seconds / batch_seconds,
            });
        }
        let report = Report { commands: self.commands, runs };
        output.report(&report, || text(&report))
    }

    /// Seconds of all commands, with one command in flight on each connection.
    fn one_by_one(&self, runtime: &Runtime, data: &Path, connections: NonZeroUsize) -> anyhow::Result<f64> {
        let host = HostProcess::start(data)?;
        runtime.block_on(deploy(&host.address, self.inputs.component()?))?;
        let address: SocketAddr = host.address.trim_start_matches("http://").parse().context("its address")?;
        let orders = Rc::new(Orders::new(self.aggregates, Spread::Uniform, 0)?);
        let began = Instant::now();
        LocalSet::new().block_on(runtime, call(address, orders, connections.get(), Span::Round(self.commands)))?;
        let took = began.elapsed();
        host.close()?;
        Ok(took.as_secs_f64())
    }

    /// Seconds of all commands in this number of batches, which are sent at the same time.
    fn batches(&self, runtime: &Runtime, data: &Path, batches: NonZeroUsize) -> anyhow::Result<f64> {
        let host = HostProcess::start(data)?;
        runtime.block_on(deploy(&host.address, self.inputs.component()?))?;
        let bodies = self.bodies(batches.get())?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("{}/v1/main/commands", host.address);
        let began = Instant::now();
        let sent = bodies.into_iter().map(|body| send(&http, &url, body));
        let accepted: usize = runtime.block_on(futures::future::try_join_all(sent))?.into_iter().sum();
        let took = began.elapsed();
        ensure!(accepted == self.commands, "{accepted} of {} commands were accepted", self.commands);
        host.close()?;
        Ok(took.as_secs_f64())
    }

    /// The lines of each batch. All commands of an aggregate are in one batch, because their order matters.
    fn bodies(&self, batches: usize) -> anyhow::Result<Vec<Bytes>> {
        let orders = Orders::new(self.aggregates, Spread::Uniform, 0)?;
        let mut bodies = vec![Vec::new(); batches];
        for _ in 0..self.commands {
            let (order, command) = orders.next()?;
            let body = &mut bodies[order % batches];
            serde_json::to_writer(&mut *body, &line(&command)?)?;
            body.push(b'\n');
        }
        Ok(bodies.into_iter().map(Bytes::from).collect())
    }
}

fn line(command: &Command) -> anyhow::Result<Line<'_>> {
    let Command { domain, aggregate, aggregate_id, name, payload, id, .. } = command;
    Ok(Line {
        address: format!("{domain}/{aggregate}/{aggregate_id}/{name}"),
        command_id: id.as_ref().map(|id| id.as_str()),
        payload: serde_json::from_slice(payload)?,
    })
}

/// Sends a batch, reads its answers, and returns the number of accepted commands.
async fn send(http: &reqwest::Client, url: &str, body: Bytes) -> anyhow::Result<usize> {
    let answer = http.post(url).header("content-type", "application/x-ndjson").body(body).send().await?;
    ensure!(answer.status().is_success(), "the host answered {}", answer.status());
    let bytes = answer.bytes().await?;
    let mut accepted = 0;
    for answer in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let parsed: Answer<'_> = serde_json::from_slice(answer)?;
        ensure!(parsed.status.get() == "\"accepted\"", "the host answered: {}", String::from_utf8_lossy(answer));
        accepted += 1;
    }
    Ok(accepted)
}

fn text(report: &Report) -> String {
    let mut text = format!("{} commands\n\n", report.commands);
    for run in &report.runs {
        text.push_str(&format!(
            "{:>5} at a time   {:>7.2} s in batches, {:>8.0} commands/s   {:>7.2} s one by one, {:>8.0} commands/s   factor {:.1}\n",
            run.requests,
            run.batch_seconds,
            run.batch_commands_per_second,
            run.one_by_one_seconds,
            run.one_by_one_commands_per_second,
            run.factor
        ));
    }
    text
}
