//! The host as its callers see it: an open data folder, and the threads that serve it. It only composes its parts, each
//! of which has a folder of its own.

mod following;
mod metrics;
mod older_journal;
mod open_error;
mod opening;
mod options;
mod registries;
mod revision_metrics;
mod writability;

pub use open_error::OpenError;
pub use options::HostOptions;
pub use writability::{Degraded, Writability};

use std::sync::{Arc, Mutex, PoisonError};

use polder_core::{Command, CommandAck, MemoryBudget};
use polder_journal::{Reader, Statistics};

use crate::access_keys::AccessKeys;
use crate::control::Control;
use crate::deployments::DeploymentService;
use crate::joined::blocking;
use crate::read::{Queries, ReadAdmission};
use crate::tenancy::{Clock, SubmitError, TenantDirectory};
use crate::tenants::TenantAdministration;
use crate::translations::Translations;
use crate::views::{Projections, ViewQueries};
use crate::write::{Commands, Metrics, Withdrawals, WritePath};

/// An open data folder and the threads that serve it. Clones share it.
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    commands: Arc<Commands>,
    queries: Queries,
    views: ViewQueries,
    tenants: TenantAdministration,
    deployments: DeploymentService,
    access_keys: AccessKeys,
    translations: Translations,
    control: Arc<Control>,
    directory: Arc<TenantDirectory>,
    write_path: Arc<WritePath>,
    projections: Arc<Projections>,
    reads: Arc<ReadAdmission>,
    reader: Reader,
    clock: Arc<Clock>,
    metrics: Arc<Metrics>,
    withdrawals: Withdrawals,
    options: HostOptions,
    /// Whether the journal is a copy of one that is kept elsewhere. It may be behind and catches up.
    is_following: bool,
    /// Held while the host begins to own its journal and while it stops.
    stopping: Mutex<()>,
}

impl Host {
    /// Decides a command. The future resolves once the decision is durable. The command is sent before this function
    /// returns, even if the future is never polled, so commands that one caller submits to one aggregate are decided in
    /// that order.
    pub fn submit(&self, command: Command) -> impl Future<Output = Result<CommandAck, SubmitError>> + Send + use<> {
        self.inner.commands.submit(command)
    }

    /// Queries of states, histories and events.
    pub fn queries(&self) -> &Queries {
        &self.inner.queries
    }

    /// Queries of views, and the events that views have set aside.
    pub fn views(&self) -> &ViewQueries {
        &self.inner.views
    }

    /// The tenants and their limits.
    pub fn tenants(&self) -> &TenantAdministration {
        &self.inner.tenants
    }

    /// The domains and their revisions.
    pub fn deployments(&self) -> &DeploymentService {
        &self.inner.deployments
    }

    /// The keys that access tokens are signed with.
    pub fn access_keys(&self) -> &AccessKeys {
        &self.inner.access_keys
    }

    /// The rules by which events are translated for other contexts.
    pub fn translations(&self) -> &Translations {
        &self.inner.translations
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
        // First, because waiting compilers may occupy all threads for work that blocks.
        inner.deployments.stop();
        blocking(move || inner.stop()).await;
    }
}

impl Inner {
    fn stop(&self) {
        let _one_at_a_time = self.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let pipeline = self.write_path.close();
        self.reads.begin_stop();
        self.projections.begin_stop();
        // The journal is closed before anything else is waited for, so that it is closed cleanly even if a guest's call
        // for a read or a view takes long, and the process is ended meanwhile. Readers can still read.
        if let Some(pipeline) = pipeline {
            pipeline.stop();
        }
        self.reads.stop();
        self.projections.stop();
    }
}
