//! The host as its callers see it. Finds the tenant and the domain of a command, checks what can be checked without
//! running the guest, and passes the command to the pipeline.

mod access_keys;
mod administration;
mod bridging;
mod deploying;
mod event_domains;
mod following;
mod judging;
mod queries;
mod refused_repeats;
mod removal;
mod restoring;
mod set_aside;
mod taking_over;
mod tenant_keys;
mod tenants;

pub use deploying::Described;

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use foldhash::HashMap;
use polder_core::{Command, CommandAck, DomainName, Limits, MemoryBudget, TenantName};
use polder_journal::disk::Disk;
use polder_journal::{AggregateKey, Journal, Keyring, OpenReport, Reader, Statistics, TENANT_KEYS_FOLDER};
use polder_sandbox::{Sandbox, SandboxOptions};
use tokio::sync::{oneshot, watch};

use crate::access::Keys;
use crate::answers::*;
use crate::clock::Clock;
use crate::deployments::{ComponentStore, Components, Deployments, Turns};
use crate::domain::Active;
use crate::health::{self, Withdrawals};
use crate::joined::joined;
use crate::metrics::{Metrics, head, line, one};
use crate::pipeline::{Job, Pipeline, Target};
use crate::projections::Projections;
use crate::read::ReadAdmission;
use crate::revision_check::Gate;
use crate::system::{SYSTEM_TENANT, SystemStream, system_tenant};
use crate::tenant::{Tenant, Terms, Unloadable};
use crate::tenants::{Entry, Tenants};
use crate::translations::Bridges;
use crate::{HostOptions, OpenError, SubmitError};
use refused_repeats::Refused;
use restoring::Restoring;

/// The tenant that exists at the first start. All other tenants are added by an administrator.
pub const MAIN_TENANT: &str = "main";

/// Threads that check the tenants' views at the start.
const EVIDENCE_THREADS: usize = 4;

/// An open data folder and the threads that serve it. Clones share it.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    /// The map is replaced as a whole when a tenant is added or removed, so that commands find their tenant without a
    /// lock.
    tenants: ArcSwap<HashMap<TenantName, Arc<Tenant>>>,
    /// Notified when a tenant was added or removed.
    tenants_changed: watch::Sender<()>,
    tenant_book: Mutex<Tenants>,
    /// The limits of tenants that have none of their own.
    limits: Limits,
    sandbox: Arc<Sandbox>,
    components: Arc<Components>,
    /// The tenant of the host's own history. It takes no commands.
    system: Arc<Tenant>,
    stream: Arc<tokio::sync::Mutex<SystemStream>>,
    deployments: Mutex<Deployments>,
    turns: Turns,
    restoring: Restoring,
    gate: Gate,
    keys: Mutex<Keys>,
    bridges: Mutex<Bridges>,
    reader: Reader,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    projections: Arc<Projections>,
    reads: ReadAdmission,
    /// Present while the host owns its journal, absent otherwise and once it shuts down. Read without a lock, so that
    /// no thread waits for another one that waits for the disk.
    pipeline: ArcSwapOption<Pipeline>,
    withdrawals: Withdrawals,
    /// Held during the removal of a tenant, which runs beside other administrative acts. One removal runs at a time.
    removals: tokio::sync::Mutex<()>,
    options: HostOptions,
    report: OpenReport,
    stopping: Mutex<()>,
    is_stopped: AtomicBool,
}

impl Host {
    /// Opens the data folder, restores the deployed revisions, and starts to serve.
    pub fn open(options: HostOptions) -> Result<Self, OpenError> {
        let (writer, reader, report) = Journal::open(&options.data_dir, options.journal())?;
        let host = Self::start(options, reader, report, None)?;
        host.lead(writer)?;
        Ok(host)
    }

    /// Like [`open`](Self::open), but with the journal on the given disk instead of in the data folder, for tests with
    /// failing disks.
    pub fn open_on(disk: Arc<dyn Disk>, options: HostOptions) -> Result<Self, OpenError> {
        let folder = |source| OpenError::Folder { path: options.data_dir.clone(), source };
        let keys = Keyring::open(&options.data_dir.join(TENANT_KEYS_FOLDER)).map_err(folder)?;
        let (writer, reader, report) = Journal::open_on(disk, keys, options.journal())?;
        let host = Self::start(options, reader, report, None)?;
        host.lead(writer)?;
        Ok(host)
    }

    fn start(
        options: HostOptions,
        reader: Reader,
        report: OpenReport,
        depot: Option<Arc<dyn ComponentStore>>,
    ) -> Result<Self, OpenError> {
        let folder = |source| OpenError::Folder { path: options.data_dir.clone(), source };
        if let Some(torn) = &report.torn {
            tracing::warn!(
                ?torn,
                "the journal's last frame was incomplete and was cut off; a crash during a write has this effect, and then nothing in the frame was \
                 acknowledged; a disk that lost what it had written has the same effect"
            );
        }
        let sandbox_options = SandboxOptions { memory: options.memory.clone(), ..SandboxOptions::default() };
        let sandbox = Sandbox::new(sandbox_options).map_err(|error| OpenError::Sandbox(error.to_string()))?;
        sandbox.self_check().map_err(|error| OpenError::Sandbox(error.to_string()))?;
        let (compilers, memory) = (options.compilers.clone(), options.memory.clone());
        let components =
            Components::open(&options.data_dir, depot, compilers, memory, reader.clone()).map_err(folder)?;
        let (mut tenant_book, mut deployments) = (Tenants::new(options.has_main), Deployments::default());
        let (mut keys, mut bridges) = (Keys::default(), Bridges::default());
        let stream = SystemStream::read(&reader, &mut [&mut tenant_book, &mut deployments, &mut keys, &mut bridges])
            .map_err(|error| OpenError::History { what: "the host's own history", problem: error.to_string() })?;
        let system_terms = Terms { limits: Limits::DEFAULT, is_suspended: false };
        let system = Tenant::new(system_tenant(), system_terms, &reader);

        let serve = |(name, entry): (&TenantName, &Entry)| {
            (name.clone(), Tenant::new(name.clone(), tenants::terms(entry, options.limits), &reader))
        };
        let tenants: HashMap<_, _> = tenant_book.present().map(serve).collect();
        let (sandbox, components) = (Arc::new(sandbox), Arc::new(components));
        let restore = deploying::old_revisions(&sandbox, &components);
        let projections = Projections::start(&options.data_dir, options.workers, &reader, restore).map_err(folder)?;
        let projections = Arc::new(projections);
        let reads = ReadAdmission::start(options.memory.clone()).map_err(folder)?;
        let (clock, metrics) = (Arc::new(Clock::default()), Arc::new(Metrics::default()));
        let (withdrawals, condemned) = Withdrawals::new();

        let host = Self {
            inner: Arc::new(Inner {
                tenants: ArcSwap::from_pointee(tenants),
                tenants_changed: watch::Sender::new(()),
                tenant_book: Mutex::new(tenant_book),
                limits: options.limits,
                sandbox,
                components,
                system,
                stream: Arc::new(tokio::sync::Mutex::new(stream)),
                deployments: Mutex::new(deployments),
                turns: Turns::default(),
                restoring: Restoring::default(),
                gate: Gate::new(reader.clone()),
                keys: Mutex::new(keys),
                bridges: Mutex::new(bridges),
                reader,
                clock,
                metrics,
                projections,
                reads,
                pipeline: ArcSwapOption::empty(),
                withdrawals,
                removals: tokio::sync::Mutex::default(),
                report,
                stopping: Mutex::default(),
                is_stopped: AtomicBool::new(false),
                options: options.clone(),
            }),
        };
        host.inner.check_keys();
        if !host.inner.components.is_shared()
            && let Err(error) = host.inner.check_views()
        {
            // Stopping releases the folder before this returns.
            host.inner.stop();
            return Err(error);
        }
        host.inner.restore_all();
        host.tenant_names().iter().for_each(|name| host.inner.bridge_as_recorded(name));
        judging::start(&host.inner, condemned).map_err(folder)?;
        Ok(host)
    }

    /// Decides a command. The future resolves once the decision is durable. The command is sent before this function
    /// returns, even if the future is never polled, so commands that one caller submits to one aggregate are decided in
    /// that order.
    pub fn submit(&self, command: Command) -> impl Future<Output = Result<CommandAck, SubmitError>> + Send + use<> {
        let (reply, answer) = oneshot::channel();
        let refused = self.inner.dispatch(command, reply).err();
        let inner = Arc::clone(&self.inner);
        async move {
            if let Some(refused) = refused {
                return inner.answer_refused(refused).await;
            }
            // The reply channel closes without an answer when the worker had ended before it took the command, or
            // panicked during it.
            answer.await.unwrap_or_else(|_| match inner.pipeline.load().is_some() {
                true => {
                    let reason = "the thread that had the command is gone".to_owned();
                    Err(SubmitError::OutcomeUnknown { command_id: None, reason })
                }
                false => Err(inner.no_pipeline()),
            })
        }
    }

    pub fn health(&self) -> Writability {
        let reason = match &*self.inner.pipeline.load() {
            Some(pipeline) => pipeline.trouble().map(|trouble| trouble.to_string()),
            None => Some(self.inner.no_pipeline().to_string()),
        };
        Writability { writable: reason.is_none(), reason, degraded: self.inner.degraded() }
    }

    /// The metrics in Prometheus's text format.
    pub fn metrics(&self) -> String {
        let mut text = String::new();
        let inner = &self.inner;
        inner.metrics.write(&mut text, &inner.reader.statistics(), self.health().writable);
        let compilations = inner.components.compilations();
        one(&mut text, "polder_components_compiled_total", "counter", "Components compiled.", compilations);
        let (reads, slow_reads, refused_reads) = inner.reads.counts();
        one(&mut text, "polder_reads", "gauge", "Reads that run or wait.", reads);
        one(&mut text, "polder_slow_reads_total", "counter", "Reads that were moved to the slow lane.", slow_reads);
        one(
            &mut text,
            "polder_reads_refused_total",
            "counter",
            "Reads refused because too many were waiting.",
            refused_reads,
        );
        let open_count = inner.projections.open_count() as u64;
        one(&mut text, "polder_tenants_views_open", "gauge", "Tenants whose views are open.", open_count);
        head(&mut text, "polder_tenant_cpu_microseconds_total", "counter", "CPU time that a tenant's commands took.");
        for tenant in inner.tenants.load().values() {
            let name = format!("polder_tenant_cpu_microseconds_total{{tenant=\"{}\"}}", tenant.name);
            line(&mut text, &name, tenant.cpu_ns() / 1_000);
        }
        head(
            &mut text,
            "polder_guest_notes_dropped_total",
            "counter",
            "Notes of a tenant's guests that were not logged.",
        );
        for tenant in inner.tenants.load().values() {
            let name = format!("polder_guest_notes_dropped_total{{tenant=\"{}\"}}", tenant.name);
            line(&mut text, &name, tenant.notes.dropped());
        }
        let unseen_count = inner.projections.unseen_count() as u64;
        let help = "Tenants whose views were not checked yet since the start.";
        one(&mut text, "polder_tenants_views_to_look_at", "gauge", help, unseen_count);
        let tenants: Vec<_> = inner.tenants.load().values().cloned().collect();
        let pipeline = inner.pipeline.load();
        health::write(&mut text, &tenants, pipeline.as_ref().and_then(|pipeline| pipeline.audit_counts()));
        let help = "Events that a view has not folded in yet; closed views have folded in all events.";
        head(&mut text, "polder_projection_lag_events", "gauge", help);
        for tenant in inner.tenants.load().values() {
            let newest = tenant.positions.borrow().0;
            for domain in tenant.domains() {
                for view in inner.projections.info_if_open(&tenant.name, &domain.name) {
                    let labels = format!(
                        "tenant=\"{}\",domain=\"{}\",projection=\"{}\"",
                        tenant.name, domain.name, view.projection
                    );
                    let lag = newest.saturating_sub(view.position.0);
                    line(&mut text, &format!("polder_projection_lag_events{{{labels}}}"), lag);
                }
            }
        }
        text
    }

    /// The memory budget that all parts of the host share which hold memory for their callers.
    pub fn memory(&self) -> &MemoryBudget {
        &self.inner.options.memory
    }

    pub fn journal_statistics(&self) -> Statistics {
        self.inner.reader.statistics()
    }

    /// Finishes the commands under way, closes the journal cleanly and ends the threads.
    pub async fn shutdown(self) {
        let inner = self.inner;
        blocking(move || inner.stop()).await;
    }
}

impl Inner {
    fn dispatch(
        &self,
        command: Command,
        reply: oneshot::Sender<Result<CommandAck, SubmitError>>,
    ) -> Result<(), Box<Refused>> {
        let target = match self.target(&command) {
            Ok(target) => target,
            Err(error) => return Err(Box::new(Refused { error, command })),
        };
        match &*self.pipeline.load() {
            Some(pipeline) => {
                pipeline.submit(Job { command, target, reply });
                Ok(())
            }
            None => Err(Box::new(Refused { error: self.no_pipeline(), command })),
        }
    }

    /// Finds the destination of a command and reserves a place for it.
    fn target(&self, command: &Command) -> Result<Target, SubmitError> {
        let tenant = self.tenant(&command.tenant).ok_or_else(|| match command.tenant.as_str() {
            SYSTEM_TENANT => SubmitError::SystemTenant,
            _ => SubmitError::UnknownTenant(command.tenant.clone()),
        })?;
        if tenant.unavailable().is_some() {
            return Err(SubmitError::TenantUnavailable(tenant.name.clone()));
        }
        let domain = tenant.domain(&command.domain).ok_or_else(|| no_domain(&tenant, &command.domain))?;
        let terms = tenant.terms();
        let active = domain.active();
        check(command, &active, &terms.limits)?;
        active.health.admit().map_err(|closed| SubmitError::OutOfService {
            domain: domain.name.clone(),
            revision: active.revision,
            reason: closed.reason,
            retry_after_ms: closed.retry_after.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX).max(1)),
        })?;
        let checked_by = active.revision;
        drop(active);
        let admission = tenant.admit(&terms)?;
        let key = AggregateKey::of(&command.tenant, &command.domain, &command.aggregate, &command.aggregate_id);
        let in_flight = domain.in_flight.begin();
        Ok(Target { domain, key, checked_by, admission, in_flight })
    }

    fn stop(&self) {
        let _one_at_a_time = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_stopped.store(true, Ordering::SeqCst);
        self.components.stop();
        let pipeline = self.pipeline.swap(None);
        self.reads.stop();
        self.gate.stop();
        self.projections.stop();
        if let Some(pipeline) = pipeline {
            pipeline.stop();
        }
    }

    /// Checks that no view is ahead of the journal. If one is, an older copy of the journal was put in place. This
    /// check does not apply to a journal that is kept elsewhere: its local copy may be behind and catches up.
    fn check_views(&self) -> Result<(), OpenError> {
        let tenants: Vec<_> =
            self.tenants.load().values().filter(|tenant| tenant.unavailable().is_none()).cloned().collect();
        let ahead = |tenant: &Arc<Tenant>| {
            let journal = self.reader.last_position(&tenant.name);
            let views = self.projections.seen(&tenant.name).filter(|views| *views > journal)?;
            let folder = self.projections.folder().to_owned();
            Some(OpenError::OlderJournal { tenant: tenant.name.clone(), journal, views, folder })
        };
        let per_thread = tenants.len().div_ceil(EVIDENCE_THREADS).max(1);
        let problem = std::thread::scope(|scope| {
            let looking: Vec<_> =
                tenants.chunks(per_thread).map(|some| scope.spawn(|| some.iter().find_map(ahead))).collect();
            let ended = looking.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
            ended.flatten().next()
        });
        problem.map_or(Ok(()), Err)
    }

    fn degraded(&self) -> Vec<Degraded> {
        let mut degraded = Vec::new();
        for tenant in self.tenants.load().values() {
            let own = |domain, problem| Degraded { tenant: tenant.name.clone(), domain, problem };
            if tenant.unavailable().is_some() {
                degraded.push(own(None, "its key is missing or damaged".to_owned()));
                continue;
            }
            let unloadable = tenant.all_unloadable().into_iter();
            degraded.extend(unloadable.map(|(domain, unloadable)| own(Some(domain), unloadable.reason)));
        }
        degraded.sort_unstable_by(|a, b| (&a.tenant, &a.domain).cmp(&(&b.tenant, &b.domain)));
        degraded
    }

    fn set_tenants(&self, tenants: HashMap<TenantName, Arc<Tenant>>) {
        self.tenants.store(Arc::new(tenants));
        self.tenants_changed.send_replace(());
    }

    fn tenant(&self, name: &TenantName) -> Option<Arc<Tenant>> {
        self.tenants.load().get(name).cloned()
    }
}

fn no_domain(tenant: &Tenant, domain: &DomainName) -> SubmitError {
    let domain = domain.clone();
    match tenant.unloadable(&domain) {
        Some(Unloadable { revision, reason, .. }) => {
            SubmitError::OutOfService { domain, revision, reason, retry_after_ms: None }
        }
        None => SubmitError::UnknownDomain { tenant: tenant.name.clone(), domain, known: tenant.domain_names() },
    }
}

/// Checks of a command that do not depend on the aggregate's state.
fn check(command: &Command, active: &Active, limits: &Limits) -> Result<(), SubmitError> {
    active.check_names(command)?;
    let bytes = command.payload.len() as u64;
    if bytes > limits.command_bytes_max {
        return Err(SubmitError::TooLarge { bytes, bytes_max: limits.command_bytes_max });
    }
    // The guest parses the payload again. Payloads that no guest can parse are refused here.
    Ok(polder_core::check_json(&command.payload)?)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}
