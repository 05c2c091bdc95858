//! Opens a data folder: reads the host's own history, composes the parts of the host, and restores what is recorded.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use polder_core::{Limits, TenantName};
use polder_journal::disk::Disk;
use polder_journal::{Journal, Keyring, OpenReport, Reader, TENANT_KEYS_FOLDER};
use polder_sandbox::{Sandbox, SandboxOptions};

use super::open_error::OpenError;
use super::options::HostOptions;
use super::{Host, Inner, older_journal, registries};
use crate::access_keys::{AccessKeys, Keys};
use crate::control::{Control, SystemStream};
use crate::deployments::{
    ComponentStore, Components, DeploymentParts, DeploymentService, Deployments, Restoring, RevisionCheck, Turns,
    old_revisions,
};
use crate::read::{Queries, ReadAdmission};
use crate::tenancy::{Clock, Tenant, TenantDirectory, Terms, system_tenant};
use crate::tenants::{TenantAdministration, TenantParts, Tenants, terms};
use crate::translations::{Bridges, Translations};
use crate::views::{Projections, ViewQueries};
use crate::write::{Commands, Withdrawals, WritePath};

/// What is recorded in the host's own history.
struct History {
    stream: SystemStream,
    tenants: Tenants,
    deployments: Deployments,
    keys: Keys,
    bridges: Bridges,
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

    /// Starts a host that takes no commands yet. Components that it does not have come from `component_store`.
    pub(super) fn start(
        options: HostOptions,
        reader: Reader,
        report: OpenReport,
        component_store: Option<Arc<dyn ComponentStore>>,
    ) -> Result<Self, OpenError> {
        warn_of_torn_end(&report);
        let sandbox = start_sandbox(&options)?;
        let history = History::read(&reader, options.has_main)?;
        let host = Self { inner: Arc::new(compose(options, reader, report, component_store, sandbox, history)?) };
        let inner = &host.inner;
        inner.tenants.check_keys();
        if !inner.is_following
            && let Err(error) = older_journal::check_views(&inner.directory, &inner.projections, &inner.reader)
        {
            // Stopping releases the folder before this returns.
            inner.stop();
            return Err(error);
        }
        inner.deployments.restore_all();
        inner.directory.names().iter().for_each(|name| inner.translations.put_into_effect(name));
        Ok(host)
    }
}

impl History {
    fn read(reader: &Reader, has_main: bool) -> Result<Self, OpenError> {
        let (mut tenants, mut deployments) = (Tenants::new(has_main), Deployments::default());
        let (mut keys, mut bridges) = (Keys::default(), Bridges::default());
        let all = &mut registries::all(&mut tenants, &mut deployments, &mut keys, &mut bridges);
        let stream = SystemStream::read(reader, all).map_err(OpenError::own_history)?;
        Ok(Self { stream, tenants, deployments, keys, bridges })
    }
}

/// The parts that several services of a host use.
struct Shared {
    directory: Arc<TenantDirectory>,
    control: Arc<Control>,
    reader: Reader,
    projections: Arc<Projections>,
    write_path: Arc<WritePath>,
    reads: Arc<ReadAdmission>,
}

impl Shared {
    fn deployments(
        &self,
        registry: Deployments,
        components: Arc<Components>,
        sandbox: Arc<Sandbox>,
    ) -> DeploymentService {
        DeploymentService::new(DeploymentParts {
            directory: Arc::clone(&self.directory),
            control: Arc::clone(&self.control),
            registry: Mutex::new(registry),
            components,
            sandbox,
            check: RevisionCheck::new(self.reader.clone()),
            reader: self.reader.clone(),
            reads: Arc::clone(&self.reads),
            write_path: Arc::clone(&self.write_path),
            projections: Arc::clone(&self.projections),
            turns: Turns::default(),
            restoring: Restoring::default(),
        })
    }

    fn tenants(
        &self,
        registry: Tenants,
        default_limits: Limits,
        sealed: BTreeSet<TenantName>,
        deployments: &DeploymentService,
    ) -> TenantAdministration {
        TenantAdministration::new(TenantParts {
            directory: Arc::clone(&self.directory),
            control: Arc::clone(&self.control),
            registry: Mutex::new(registry),
            default_limits,
            reader: self.reader.clone(),
            projections: Arc::clone(&self.projections),
            deployments: deployments.clone(),
            sealed,
            removals: tokio::sync::Mutex::default(),
        })
    }
}

/// Composes the parts of a host. Nothing is restored yet.
fn compose(
    options: HostOptions,
    reader: Reader,
    report: OpenReport,
    component_store: Option<Arc<dyn ComponentStore>>,
    sandbox: Arc<Sandbox>,
    history: History,
) -> Result<Inner, OpenError> {
    let folder = |source| OpenError::Folder { path: options.data_dir.clone(), source };
    let (compilers, memory) = (options.compilers.clone(), options.memory.clone());
    let is_following = component_store.is_some();
    let components = Components::open(&options.data_dir, component_store, compilers, memory, reader.clone());
    let components = Arc::new(components.map_err(folder)?);
    let restore = old_revisions(&sandbox, &components);
    let projections = Projections::start(&options.data_dir, options.workers, &reader, restore).map_err(folder)?;
    let projections = Arc::new(projections);
    let reads = Arc::new(ReadAdmission::start(options.memory.clone()).map_err(folder)?);
    let directory = Arc::new(directory(&history.tenants, &options, &reader));
    let (write_path, clock, metrics) = (Arc::new(WritePath::default()), Arc::new(Clock::default()), Arc::default());
    let (withdrawals, condemned) = Withdrawals::new();
    let control = Control::new(history.stream, &write_path, &clock, &directory);
    let shared = Shared { directory, control, reader, projections, write_path, reads };
    let deployments = shared.deployments(history.deployments, components, sandbox);
    deployments.start_withdrawals(condemned).map_err(folder)?;
    let tenants = shared.tenants(history.tenants, options.limits, report.sealed, &deployments);
    let Shared { directory, control, reader, projections, write_path, reads } = shared;
    let queries = Queries::new(&directory, &reader, &reads, registries::FACT_KINDS).map_err(folder)?;
    Ok(Inner {
        commands: Commands::new(&directory, &write_path, &reader, &reads, &metrics),
        views: ViewQueries::new(&directory, &projections, &reads, &queries),
        queries,
        access_keys: AccessKeys::new(&control, history.keys),
        translations: Translations::new(&directory, &control, history.bridges),
        tenants,
        deployments,
        control,
        directory,
        write_path,
        projections,
        reads,
        reader,
        clock,
        metrics,
        withdrawals,
        options,
        is_following,
        stopping: Mutex::default(),
    })
}

fn directory(tenants: &Tenants, options: &HostOptions, reader: &Reader) -> TenantDirectory {
    let system = Tenant::new(system_tenant(), Terms { limits: Limits::DEFAULT, is_suspended: false }, reader);
    let present = tenants.present();
    let present = present.map(|(name, entry)| Tenant::new(name.clone(), terms(entry, options.limits), reader));
    TenantDirectory::new(system, present)
}

fn start_sandbox(options: &HostOptions) -> Result<Arc<Sandbox>, OpenError> {
    let sandbox_options = SandboxOptions { memory: options.memory.clone(), ..SandboxOptions::default() };
    let sandbox = Sandbox::new(sandbox_options).map_err(|error| OpenError::Sandbox(error.to_string()))?;
    sandbox.self_check().map_err(|error| OpenError::Sandbox(error.to_string()))?;
    Ok(Arc::new(sandbox))
}

fn warn_of_torn_end(report: &OpenReport) {
    if let Some(torn) = &report.torn {
        tracing::warn!(
            ?torn,
            "the journal's last frame was incomplete and was cut off; a crash during a write has this effect, and then nothing in the frame was \
             acknowledged; a disk that lost what it had written has the same effect"
        );
    }
}
