//! `polder-bench tenants`: the cost of many idle tenants, the latency of the first command of each, and the time of a
//! start.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use serde::Serialize;

use crate::components::another_revision;
use crate::figures::Latency;
use crate::options::Inputs;
use crate::output::Output;
use crate::processes::host_process::HostProcess;

/// Longest wait until a host has handled every tenant's views.
const QUIET_WAIT_MAX: Duration = Duration::from_secs(120);
const QUIET_CHECK_PAUSE: Duration = Duration::from_millis(200);

/// Measure many idle tenants, and a start with many domains.
#[derive(Args)]
pub(crate) struct Tenants {
    #[command(flatten)]
    inputs: Inputs,
    /// Number of tenants, each with one domain, all of the same revision.
    #[arg(long, default_value_t = 1_000)]
    tenants: usize,
    /// Number of domains, each of another revision.
    #[arg(long, default_value_t = 200)]
    domains: usize,
    /// Starts of each kind.
    #[arg(long, default_value_t = 5)]
    starts: usize,
    /// Time for which the host with the tenants is watched while idle.
    #[arg(long, default_value_t = 10.0)]
    idle_seconds: f64,
}

#[derive(Serialize)]
struct Report {
    tenants: usize,
    /// Memory of a host without tenants.
    empty_resident_bytes: u64,
    resident_bytes: u64,
    resident_bytes_per_tenant: u64,
    /// CPU time while idle, as a share of one processor.
    idle_cpu_share: f64,
    ready_ms: Vec<f64>,
    /// Latency over HTTP of one command after another, each to a tenant without a request since the start.
    first_command: Latency,
    /// Latency of another command to each of the same tenants.
    second_command: Latency,
    domains: usize,
    domains_ready_ms: Vec<f64>,
    domains_compilations: u64,
}

impl Tenants {
    pub(crate) fn run(self, output: &Output) -> anyhow::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let report = runtime.block_on(self.report(output))?;
        output.report(&report, || text(&report))
    }

    async fn report(&self, output: &Output) -> anyhow::Result<Report> {
        let component = self.inputs.component()?;
        let (empty, many, domains) = (self.inputs.folder()?, self.inputs.folder()?, self.inputs.folder()?);
        output.note(&format!("adding {} tenants …", self.tenants));
        fill(many.path(), self.tenants, |_| component.clone()).await?;
        output.note(&format!("deploying {} revisions …", self.domains));
        fill(domains.path(), self.domains, |number| another_revision(&component, number)).await?;

        let host = Caller::start(empty.path())?;
        host.until_quiet().await?;
        let empty_resident_bytes = host.process.resident_bytes()?;
        host.process.close()?;

        let mut ready_ms = Vec::new();
        for _ in 0..self.starts {
            let host = HostProcess::start(many.path())?;
            ready_ms.push(host.ready_ms);
            host.close()?;
        }
        let host = Caller::start(many.path())?;
        host.until_quiet().await?;
        let resident_bytes = host.process.resident_bytes()?;
        let (cpu_before, began) = (host.process.cpu_time()?, Instant::now());
        tokio::time::sleep(Duration::from_secs_f64(self.idle_seconds)).await;
        let idle_cpu_share = (host.process.cpu_time()? - cpu_before).as_secs_f64() / began.elapsed().as_secs_f64();
        let first_command = self.round(&host, 1).await?;
        let second_command = self.round(&host, 2).await?;
        host.process.close()?;

        let mut domains_ready_ms = Vec::new();
        let mut domains_compilations = 0;
        for _ in 0..self.starts {
            let host = Caller::start(domains.path())?;
            domains_ready_ms.push(host.process.ready_ms);
            domains_compilations += host.metric("polder_components_compiled_total").await?;
            host.process.close()?;
        }
        Ok(Report {
            tenants: self.tenants,
            empty_resident_bytes,
            resident_bytes,
            idle_cpu_share,
            resident_bytes_per_tenant: resident_bytes.saturating_sub(empty_resident_bytes) / self.tenants.max(1) as u64,
            ready_ms,
            first_command,
            second_command,
            domains: self.domains,
            domains_ready_ms,
            domains_compilations,
        })
    }

    async fn round(&self, host: &Caller, round: u64) -> anyhow::Result<Latency> {
        let mut times = Vec::with_capacity(self.tenants);
        for number in 0..self.tenants {
            let path = format!("/v1/{}/orders/order/o-{round}/draft-order", name(number));
            let began = Instant::now();
            host.send(
                host.http
                    .post(host.address(&path))
                    .header("content-type", "application/json")
                    .body(r#"{"customer":"c-1"}"#),
            )
            .await?;
            times.push(began.elapsed());
        }
        Ok(Latency::of(times))
    }
}

struct Caller {
    process: HostProcess,
    http: reqwest::Client,
}

impl Caller {
    fn start(folder: &Path) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build()?;
        Ok(Self { process: HostProcess::start(folder)?, http })
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.process.address)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> anyhow::Result<String> {
        let response = request.send().await?;
        let (status, text) = (response.status(), response.text().await?);
        ensure!(status.is_success(), "the host answered {status}: {text}");
        Ok(text)
    }

    async fn metric(&self, name: &str) -> anyhow::Result<u64> {
        let text = self.send(self.http.get(self.address("/metrics"))).await?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {name} in /metrics"))?.parse()?)
    }

    /// Waits until no tenant's views are open: then the host has no work left.
    async fn until_quiet(&self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut quiet = 0;
        // Two checks in a row must agree: between two tenants no view is open for a moment.
        while quiet < 2 {
            ensure!(began.elapsed() < QUIET_WAIT_MAX, "the host does not come to rest");
            tokio::time::sleep(QUIET_CHECK_PAUSE).await;
            let is_quiet = self.metric("polder_tenants_views_to_look_at").await? == 0
                && self.metric("polder_tenants_views_open").await? == 0;
            quiet = if is_quiet { quiet + 1 } else { 0 };
        }
        Ok(())
    }
}

async fn fill(folder: &Path, tenants: usize, component: impl Fn(usize) -> Vec<u8>) -> anyhow::Result<()> {
    let host = Caller::start(folder)?;
    for number in 0..tenants {
        let tenant = name(number);
        host.send(host.http.put(host.address(&format!("/v1/tenants/{tenant}")))).await?;
        let path = format!("/v1/{tenant}/domains/orders");
        host.send(
            host.http.put(host.address(&path)).header("content-type", "application/wasm").body(component(number)),
        )
        .await?;
    }
    host.process.close()
}

fn name(number: usize) -> String {
    format!("tenant-{number}")
}

fn text(report: &Report) -> String {
    let list = |times: &[f64]| times.iter().map(|time| format!("{time:.0}")).collect::<Vec<_>>().join(", ");
    let kib = |bytes: u64| bytes as f64 / 1_024.0;
    let first = &report.first_command;
    let second = &report.second_command;
    format!(
        "{} tenants with one domain each\n\n\
         resident, at rest          {:.0} KiB; without tenants {:.0} KiB: {:.1} KiB a tenant\n\
         CPU time at rest           {:.2} % of a processor\n\
         ready                      {} ms\n\
         first command              p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms\n\
         the next one               p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms\n\n\
         {} domains, each of another revision\n\n\
         ready                      {} ms\n\
         compilations               {}\n",
        report.tenants,
        kib(report.resident_bytes),
        kib(report.empty_resident_bytes),
        kib(report.resident_bytes_per_tenant),
        report.idle_cpu_share * 100.0,
        list(&report.ready_ms),
        first.p50_us / 1e3,
        first.p99_us / 1e3,
        first.max_us / 1e3,
        second.p50_us / 1e3,
        second.p99_us / 1e3,
        second.max_us / 1e3,
        report.domains,
        list(&report.domains_ready_ms),
        report.domains_compilations,
    )
}
