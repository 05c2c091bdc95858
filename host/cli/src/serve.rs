//! `polder serve`: opens a data folder and answers over HTTP until a signal stops it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use polder_compiler::{ChildCompiler, CompilerLimits};
use polder_core::{MemoryBudget, TenantName};
use polder_engine::{Compilers, Host, HostOptions, MAIN_TENANT, MEMORY_BYTES_MAX_LEAST};
use polder_journal::DISK_RESERVE_BYTES;
use polder_nats::ConnectOptions;
use polder_nats::journal::JournalOptions;
use polder_server::{
    ClusterThreads, FIRST_KEY_FILE, FirstKeyProof, Nats, Partitions, Server, join, listen, raise_descriptors,
};
use rustix::fs::Mode;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Outcome;
use crate::folder;
use crate::logs;
use crate::nats::{self, JournalArguments, NatsArguments, StreamArguments};
use crate::output::Output;
use crate::watch::watch;

/// Pause between two attempts to open journals whose servers do not answer.
const JOIN_PAUSE: Duration = Duration::from_secs(1);

/// Run a host.
#[derive(Args)]
pub(crate) struct Serve {
    /// The data folder, which holds everything. It is made if missing, and one host at a time uses it.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Address to listen on; port 0 takes a free port. Without access keys it must be a loopback address.
    #[arg(long, default_value = "127.0.0.1:7117", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Threads that run guests; by default one per processor.
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Memory in bytes that requests, reads, guests, compilers and views may use together; requests beyond it are
    /// refused with 503. By default half of what the machine or the control group allows.
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(MEMORY_BYTES_MAX_LEAST..))]
    memory_bytes_max: Option<u64>,
    /// Folder of a domain crate, or of several. Changes that are saved there are built and deployed. May be repeated.
    #[arg(long, value_name = "DIR")]
    watch: Vec<PathBuf>,
    /// The tenant whose domains the watched crates are.
    #[arg(long, value_name = "TENANT", default_value = MAIN_TENANT, requires = "watch")]
    watch_tenant: TenantName,
    /// Disk space that is reserved for the journal, in bytes. While less is free, views, snapshots, compiled code and
    /// uploads wait.
    #[arg(long, value_name = "BYTES", default_value_t = DISK_RESERVE_BYTES)]
    disk_reserve_bytes: u64,
    #[command(flatten)]
    nats: NatsArguments,
    #[command(flatten)]
    streams: StreamArguments,
    #[command(flatten)]
    journal: JournalArguments,
}

impl Serve {
    pub(crate) fn run(self, output: &Output) -> Outcome {
        logs::start()?;
        let descriptors_max = raise_descriptors();
        // Files that the host and its libraries make are readable by the host's user alone.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.serve(output, descriptors_max))
    }

    async fn serve(self, output: &Output, descriptors_max: u64) -> Outcome {
        let compiler = ChildCompiler::of_this_program(CompilerLimits::DEFAULT);
        let mut options = HostOptions { compilers: Compilers::new(compiler), ..HostOptions::new(&self.data) };
        if let Some(workers) = self.workers {
            options.workers = workers.get();
        }
        if let Some(bytes_max) = self.memory_bytes_max {
            options.memory = MemoryBudget::new(bytes_max);
        }
        let memory_bytes_max = options.memory.bytes_max();
        options.disk_reserve_bytes = self.disk_reserve_bytes;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        // This comes before the data folder is opened, so that a problem with NATS is reported at once.
        let nats_options = self.nats.options()?;
        let nats = match &nats_options {
            Some(options) => Some(Nats::connect(options, self.streams.options()).await?),
            None => None,
        };
        let cannot = || format!("cannot serve {}", self.data.display());
        let (parts, members) = match (self.journal.options(&self.data)?, &nats_options) {
            (Some(journal), Some(connect)) => {
                folder::check_shared(&self.data)?;
                let joined = tokio::select! {
                    joined = joined(connect, &journal, &options) => joined,
                    _ = interrupt.recv() => return Ok(()),
                    _ = terminate.recv() => return Ok(()),
                };
                let (parts, members) = joined.with_context(cannot)?;
                tracing::info!("{}", members.durability());
                (parts, Some(members))
            }
            _ => {
                folder::check_own(&self.data)?;
                (Partitions::alone(Host::open(options).with_context(cannot)?), None)
            }
        };
        // This is logged only now: the folder exists and belongs to this host alone.
        tracing::info!(descriptors_max, "open files and connections");
        tracing::info!(memory_bytes_max, "requests, reads and guests share this memory");
        let parts = if parts.first_host().keys().is_empty() {
            match FirstKeyProof::write(&self.data) {
                Ok(proof) => parts.with_first_key_proof(proof),
                Err(error) => {
                    // A full disk must not keep the host from serving reads.
                    tracing::warn!(%error, "the proof for a first key cannot be written; no first key can be made here");
                    parts
                }
            }
        } else {
            parts
        };
        let served = match self.start(&parts, nats, nats_options.as_ref()).await {
            Ok((server, listener)) => {
                let address = format!("http://{}", listener.local_addr()?);
                output.answer(&serde_json::json!({ "listening": address }), || format!("listening on {address}"))?;
                let stop = async {
                    tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                    tracing::info!("stopping");
                };
                let watching = (!self.watch.is_empty()).then(|| {
                    let host = parts.host(&self.watch_tenant).clone();
                    tokio::spawn(watch(host, self.watch_tenant, self.watch, *output))
                });
                let served = server.serve(listener, stop).await.context("cannot serve");
                watching.inspect(tokio::task::JoinHandle::abort);
                served
            }
            Err(error) => Err(error),
        };
        // This happens after a failure too, so that other hosts can take over the journals at once.
        if let Some(members) = members {
            tokio::task::spawn_blocking(|| members.stop()).await?;
        }
        // This happens after a failure too: a journal that was closed cleanly opens faster.
        parts.shutdown().await;
        Ok(served?)
    }

    async fn start(
        &self,
        parts: &Partitions,
        nats: Option<Nats>,
        nats_options: Option<&ConnectOptions>,
    ) -> anyhow::Result<(Server, TcpListener)> {
        let has_keys = !parts.first_host().keys().is_empty();
        check_reach(has_keys, self.listen, &self.data)?;
        if let Some(options) = nats_options {
            nats::check_reach(has_keys, options)?;
        }
        if !has_keys {
            tracing::info!(
                "there are no access keys, so the host listens on loopback only, and authenticates no client; \
                 `polder token key new --first-key-proof {}` makes the first key",
                self.data.join(FIRST_KEY_FILE).display()
            );
        }
        let listener = listen(self.listen)
            .with_context(|| format!("cannot listen on {}: choose another address with --listen", self.listen))?;
        Ok((Server::start(parts.clone(), nats).await?, listener))
    }
}

/// Opens the journals at NATS. While the servers do not answer, it tries again: a host that ended then would have to be
/// started by hand once they are back.
async fn joined(
    connect: &ConnectOptions,
    journal: &JournalOptions,
    options: &HostOptions,
) -> anyhow::Result<(Partitions, ClusterThreads)> {
    let mut reported = None;
    loop {
        let (connect, journal, options) = (connect.clone(), journal.clone(), options.clone());
        // This blocks, because it may fetch whole histories.
        let error = match tokio::task::spawn_blocking(move || join(&connect, &journal, &options)).await? {
            Ok(joined) => return Ok(joined),
            Err(error) if error.passes() => error.to_string(),
            Err(error) => return Err(error.into()),
        };
        if reported.as_ref() != Some(&error) {
            tracing::warn!(error, "the journals cannot be opened yet; the host tries again");
            reported = Some(error);
        }
        tokio::time::sleep(JOIN_PAUSE).await;
    }
}

/// Without access keys no client is authenticated, so only this machine may send requests.
fn check_reach(has_keys: bool, listen: SocketAddr, data: &Path) -> anyhow::Result<()> {
    if has_keys || listen.ip().is_loopback() {
        return Ok(());
    }
    bail!(
        "without access keys a host listens on loopback only, and {listen} can be reached from elsewhere: make a key with \
         `polder token key new --data {}`, or listen on 127.0.0.1:7117",
        data.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_keys_only_loopback_is_listened_on() {
        let check = |has_keys, listen: &str| check_reach(has_keys, listen.parse().unwrap(), Path::new("data"));
        for listen in ["127.0.0.1:7117", "127.0.0.2:0", "[::1]:80"] {
            assert!(check(false, listen).is_ok() && check(true, listen).is_ok(), "{listen}");
        }
        for listen in ["0.0.0.0:7117", "[::]:7117", "192.168.1.5:7117"] {
            assert!(check(true, listen).is_ok(), "{listen}");
            let refused = check(false, listen).unwrap_err().to_string();
            assert!(
                refused.contains("loopback only") && refused.contains("polder token key new --data data"),
                "{refused}"
            );
        }
    }
}
