//! `polder serve`: opens a data folder and answers over HTTP until a signal stops it.

mod end;
mod journal_arguments;
mod logs;
mod reach;
mod stop_signals;
mod watch;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use polder_core::{MemoryBudget, TenantName};
use polder_engine::{Host, HostOptions, MAIN_TENANT, MEMORY_BYTES_MAX_LEAST};
use polder_journal::DISK_RESERVE_BYTES;
use polder_nats::ConnectOptions;
use polder_nats::journal::JournalOptions;
use polder_server::{
    ClusterThreads, FIRST_KEY_FILE, FirstKeyProof, Nats, Partitions, Server, join, listen, raise_descriptors,
};
use rustix::fs::Mode;
use tokio::net::TcpListener;

use crate::arguments::nats::NatsArguments;
use crate::data_folder;
use crate::failure::Outcome;
use crate::output::Output;
use end::{CLOSE_UNTIL, End, RELEASE_UNTIL};
use journal_arguments::{JournalArguments, StreamArguments};
use stop_signals::StopSignals;
use watch::watch;

/// Threads for work that blocks, such as compilers that are waited for, uploads and administrative acts. Beyond this,
/// such work waits. It is more than all the compilers and uploads that a host admits at a time.
const BLOCKING_THREADS_MAX: usize = 64;
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
    /// Memory in bytes that requests, reads, guests, their machine code, compilers and views may use together; requests
    /// beyond it are refused with 503. By default half of what the machine or the control group allows.
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
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.max_blocking_threads(BLOCKING_THREADS_MAX).enable_all().build()?;
        let output = *output;
        end::run(runtime, |end| self.serve(output, descriptors_max, end))
    }

    async fn serve(self, output: Output, descriptors_max: u64, end: End) -> Outcome {
        let options = self.host_options();
        let memory_bytes_max = options.memory.bytes_max();
        let signals = StopSignals::listen(&end)?;
        // This comes before the data folder is opened, so that a problem with NATS is reported at once.
        let nats_options = self.nats.options()?;
        let nats = match &nats_options {
            Some(options) => tokio::select! {
                connected = Nats::connect(options, self.streams.options()) => Some(connected?),
                () = signals.received() => return Ok(()),
            },
            None => None,
        };
        let opened = self.open(options, nats_options.as_ref(), (&signals, &end)).await?;
        let Some((partitions, cluster_threads)) = opened else { return Ok(()) };
        // This is logged only now: the folder exists and belongs to this host alone.
        tracing::info!(descriptors_max, "limit of open files and connections");
        tracing::info!(memory_bytes_max, "requests, reads and guests share this memory");
        let partitions = with_first_key_proof(partitions, &self.data);
        let served = match self.start(&partitions, nats, nats_options.as_ref()).await {
            Ok((server, listener)) => self.answer_requests(server, listener, &partitions, &signals, output).await,
            Err(error) => Err(error.into()),
        };
        // This happens after a failure too, so that other hosts can take over the journals at once.
        if let Some(cluster_threads) = cluster_threads {
            let released = tokio::task::spawn_blocking(|| cluster_threads.stop());
            end.within(RELEASE_UNTIL, "releasing the journals", released).await.transpose()?;
        }
        // This happens after a failure too: a journal that was closed cleanly opens faster.
        end.within(CLOSE_UNTIL, "closing the journals", partitions.shutdown()).await;
        served
    }

    fn host_options(&self) -> HostOptions {
        let mut options = data_folder::host_options(&self.data);
        if let Some(workers) = self.workers {
            options.workers = workers.get();
        }
        if let Some(bytes_max) = self.memory_bytes_max {
            options.memory = MemoryBudget::new(bytes_max);
        }
        options.disk_reserve_bytes = self.disk_reserve_bytes;
        options
    }

    /// Opens the journal in the data folder, or the journals at NATS. Returns `None` if a signal stops the host before
    /// they are open.
    async fn open(
        &self,
        options: HostOptions,
        nats: Option<&ConnectOptions>,
        (signals, end): (&StopSignals, &End),
    ) -> anyhow::Result<Option<(Partitions, Option<ClusterThreads>)>> {
        let cannot = || format!("cannot serve {}", self.data.display());
        let (Some(journal), Some(connect)) = (self.journal.options(&self.data)?, nats) else {
            data_folder::check_own(&self.data)?;
            let opened = open_alone(options, (signals, end)).await.with_context(cannot)?;
            return Ok(opened.map(|host| (Partitions::alone(host), None)));
        };
        data_folder::check_shared(&self.data)?;
        let joined = tokio::select! {
            joined = join_journals(connect, &journal, &options) => joined,
            () = signals.received() => return Ok(None),
        };
        let (partitions, cluster_threads) = joined.with_context(cannot)?;
        tracing::info!("{}", cluster_threads.durability());
        Ok(Some((partitions, Some(cluster_threads))))
    }

    /// Listens, and starts the server.
    async fn start(
        &self,
        partitions: &Partitions,
        nats: Option<Nats>,
        nats_options: Option<&ConnectOptions>,
    ) -> anyhow::Result<(Server, TcpListener)> {
        let has_keys = !partitions.first_host().access_keys().list().is_empty();
        reach::check_http(has_keys, self.listen, &self.data)?;
        if let Some(options) = nats_options {
            reach::check_nats(has_keys, options)?;
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
        Ok((Server::start(partitions.clone(), nats).await?, listener))
    }

    /// Answers requests until a signal stops the host, and deploys watched crates meanwhile.
    async fn answer_requests(
        &self,
        server: Server,
        listener: TcpListener,
        partitions: &Partitions,
        signals: &StopSignals,
        output: Output,
    ) -> Outcome {
        let address = format!("http://{}", listener.local_addr()?);
        output.answer(&serde_json::json!({ "listening": address }), || format!("listening on {address}"))?;
        let stop = async {
            signals.received().await;
            tracing::info!("stopping");
        };
        let watching = (!self.watch.is_empty()).then(|| {
            let host = partitions.host(&self.watch_tenant).clone();
            tokio::spawn(watch(host, self.watch_tenant.clone(), self.watch.clone(), output))
        });
        let served = server.serve(listener, stop).await.context("cannot serve");
        watching.inspect(tokio::task::JoinHandle::abort);
        Ok(served?)
    }
}

/// Opens the journal in the data folder, which may take long after a kill. If a signal comes meanwhile, a journal that
/// is open soon enough is closed again, and `None` is returned.
async fn open_alone(options: HostOptions, (signals, end): (&StopSignals, &End)) -> anyhow::Result<Option<Host>> {
    let mut opening = tokio::task::spawn_blocking(move || Host::open(options));
    tokio::select! {
        opened = &mut opening => return Ok(Some(opened??)),
        () = signals.received() => {}
    }
    if let Some(opened) = end.within(RELEASE_UNTIL, "opening the journal", opening).await {
        end.within(CLOSE_UNTIL, "closing the journal", opened??.shutdown()).await;
    }
    Ok(None)
}

/// Writes the proof that makes a first key possible, unless there are keys.
fn with_first_key_proof(partitions: Partitions, data: &Path) -> Partitions {
    if !partitions.first_host().access_keys().list().is_empty() {
        return partitions;
    }
    match FirstKeyProof::write(data) {
        Ok(proof) => partitions.with_first_key_proof(proof),
        Err(error) => {
            // A full disk must not keep the host from serving reads.
            tracing::warn!(%error, "the proof for a first key cannot be written; no first key can be made here");
            partitions
        }
    }
}

/// Opens the journals at NATS. While the servers do not answer, it tries again: a host that ended then would have to be
/// started by hand once they are back.
async fn join_journals(
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
