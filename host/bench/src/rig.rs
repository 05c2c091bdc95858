//! A run through the whole pipeline, with a component or with native rules. Measures time, CPU, disk and memory.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use polder_core::TenantName;
use polder_engine::{DeployOptions, Host, HostOptions, MAIN_TENANT};
use serde::Serialize;
use tokio::runtime::Runtime;

use crate::figures::{Latency, cpu_time, per_second, resident_bytes, written_bytes};
use crate::floors::native_rules::NativeRules;
use crate::load::orders::{EVENT_PAYLOAD_BYTES, Orders};
use crate::load::{Load, RunLength};
use crate::options::{LoadShape, Setup, host_options};

/// The rules that run.
#[derive(Clone, Copy)]
pub(crate) enum Rules<'a> {
    Native,
    Component(&'a [u8]),
}

/// Figures of commands end to end; every acknowledgement comes after its sync.
#[derive(Serialize)]
pub(crate) struct Throughput {
    pub(crate) commands: usize,
    pub(crate) commands_per_second: f64,
    pub(crate) latency: Latency,
    pub(crate) commands_per_sync: f64,
    /// CPU time of the whole process, senders of the commands included.
    pub(crate) cpu_seconds_per_million: f64,
    pub(crate) resident_bytes: Option<u64>,
}

/// A host, and a load for it.
pub(crate) struct Rig {
    pub(crate) load: Load,
    runtime: Runtime,
}

impl Rig {
    /// Opens a host in `data_dir`. The orders do not exist yet.
    pub(crate) fn open(
        data_dir: PathBuf,
        rules: Rules<'_>,
        setup: &Setup,
        aggregates: usize,
        shape: &LoadShape,
    ) -> anyhow::Result<Self> {
        let host = Host::open(HostOptions { workers: setup.workers(), ..host_options(data_dir) })?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let tenants = runtime.block_on(tenants(&host, setup.tenants.get()))?;
        match rules {
            Rules::Component(component) if setup.projections => {
                for tenant in &tenants {
                    let component = component.to_vec().into();
                    runtime.block_on(host.deployments().deploy(tenant, component, DeployOptions::default()))?;
                }
            }
            Rules::Component(component) => attach(&host, &tenants, &host.deployments().load(component)?)?,
            Rules::Native => {
                let native: Arc<dyn polder_engine::Rules> = Arc::new(NativeRules::orders()?);
                attach(&host, &tenants, &native)?;
            }
        }
        let orders = Rc::new(Orders::of_tenants(tenants, aggregates, shape.spread, 0)?);
        Ok(Self { load: Load::on(host, orders, shape.in_flight), runtime })
    }

    /// Opens a host as [`open`](Self::open) does, and drafts every order.
    pub(crate) fn ready(
        data_dir: PathBuf,
        rules: Rules<'_>,
        setup: &Setup,
        aggregates: usize,
        shape: &LoadShape,
    ) -> anyhow::Result<Self> {
        let rig = Self::open(data_dir, rules, setup, aggregates, shape)?;
        rig.load.prepare()?;
        Ok(rig)
    }

    pub(crate) fn run(&self, amount: RunLength) -> anyhow::Result<Throughput> {
        let (syncs_before, cpu_before) = (self.load.host.journal_statistics().syncs, cpu_time()?);
        let run = self.load.run(amount)?;
        let cpu = cpu_time()? - cpu_before;
        let syncs = self.load.host.journal_statistics().syncs - syncs_before;
        Ok(Throughput {
            commands: run.commands,
            commands_per_second: per_second(run.commands, run.took),
            latency: Latency::of(run.times),
            commands_per_sync: run.commands as f64 / syncs.max(1) as f64,
            cpu_seconds_per_million: cpu.as_secs_f64() * 1e6 / run.commands as f64,
            resident_bytes: resident_bytes(),
        })
    }

    /// Shuts the host down, which writes out what is still in memory.
    pub(crate) fn close(self) {
        self.runtime.block_on(self.load.host.clone().shutdown());
    }
}

/// Makes tenants. The main tenant is the first.
async fn tenants(host: &Host, count: usize) -> anyhow::Result<Vec<TenantName>> {
    let mut tenants = vec![TenantName::new(MAIN_TENANT)?];
    for number in 1..count {
        let tenant = TenantName::new(&format!("tenant-{number}"))?;
        host.tenants().add(&tenant, None).await?;
        tenants.push(tenant);
    }
    Ok(tenants)
}

fn attach(host: &Host, tenants: &[TenantName], rules: &Arc<dyn polder_engine::Rules>) -> anyhow::Result<()> {
    Ok(tenants.iter().try_for_each(|tenant| host.deployments().attach(tenant, Arc::clone(rules)))?)
}

/// Bytes written to disk for what was recorded, from the start of the run to the end of the host.
#[derive(Serialize)]
pub(crate) struct Written {
    /// JSON of the recorded events.
    payload_bytes: u64,
    /// Frames of the journal, without their padding to whole sectors.
    journal_bytes: u64,
    /// Everything that the process wrote to storage: journal, indexes, snapshots.
    written_bytes: u64,
    pub(crate) written_per_payload_byte: f64,
    pub(crate) written_per_journal_byte: f64,
}

/// Sends `commands` commands and shuts the host down. Returns the bytes written, or `None` if the system does not count
/// them.
pub(crate) fn written(rig: Rig, commands: usize) -> anyhow::Result<Option<Written>> {
    let Some(before) = written_bytes() else { return Ok(None) };
    let journal_before = rig.load.host.journal_statistics().bytes;
    let run = rig.load.run(RunLength::Commands(commands))?;
    let journal_bytes = rig.load.host.journal_statistics().bytes - journal_before;
    rig.close();
    let written_bytes = written_bytes().unwrap_or_default().saturating_sub(before);
    let payload_bytes = (run.commands * EVENT_PAYLOAD_BYTES) as u64;
    Ok(Some(Written {
        payload_bytes,
        journal_bytes,
        written_bytes,
        written_per_payload_byte: written_bytes as f64 / payload_bytes as f64,
        written_per_journal_byte: written_bytes as f64 / journal_bytes as f64,
    }))
}

impl Throughput {
    pub(crate) fn line(&self, name: &str) -> String {
        format!(
            "{name:<42}{:>12.0} commands/s   {}   {:.0} commands per sync   {:.1} CPU s per million\n",
            self.commands_per_second, self.latency, self.commands_per_sync, self.cpu_seconds_per_million
        )
    }
}
