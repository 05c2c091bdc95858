//! A host that shares its journal with other hosts. One of them owns the journal and decides. The others take over its
//! records, frame by frame, and answer reads from them. This module does not choose the owner.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use polder_core::TenantName;
use polder_journal::{OpenReport, Reader, Writer};

use super::{Host, Inner};
use crate::deployments::ComponentStore;
use crate::pipeline::Pipeline;
use crate::tenant::Tenant;
use crate::{HostOptions, OpenError, SubmitError};

impl Host {
    /// Serves a copy of a journal that another host may own. The host takes no commands until it [leads](Self::lead).
    /// Components that it does not have come from the depot.
    pub fn open_following(
        reader: Reader,
        report: OpenReport,
        depot: Arc<dyn ComponentStore>,
        options: HostOptions,
    ) -> Result<Self, OpenError> {
        let host = Self::start(options, reader, report, Some(depot))?;
        host.inner.forget_removed();
        Ok(host)
    }

    /// Puts records into effect that another host has appended to the journal. `names` are the tenants of these
    /// records. Blocks.
    pub fn followed(&self, names: &[TenantName]) -> Result<(), OpenError> {
        let inner = &self.inner;
        // The host's own history comes first, because it may contain a new tenant.
        if names.contains(&inner.system.name) {
            inner.follow_facts()?;
            inner.system.reached(inner.reader.last_position(&inner.system.name));
        }
        for tenant in names.iter().filter_map(|name| inner.tenant(name)) {
            tenant.reached(inner.reader.last_position(&tenant.name));
            inner.grown(&tenant);
        }
        Ok(())
    }

    /// Makes this host the owner of the journal: from now on it takes commands. Blocks.
    pub fn lead(&self, mut writer: Writer) -> Result<(), OpenError> {
        let inner = &self.inner;
        let one_at_a_time = inner.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.is_stopped.load(Ordering::SeqCst) {
            return Err(OpenError::Stopped);
        }
        inner.make_first_key(&mut writer)?;
        inner.check_keys();
        // A tenant whose key arrived with the journal could not be loaded before.
        inner.restore_all();
        let weak = Arc::downgrade(inner);
        let grown = Box::new(move |tenant: &Tenant| {
            if let Some(inner) = weak.upgrade() {
                inner.grown(tenant);
            }
        });
        inner.clock.begin_at(writer.newest_at_ms());
        let folder = |source| OpenError::Folder { path: inner.options.data_dir.clone(), source };
        let withdrawals = inner.withdrawals.clone();
        let (options, reader) = (&inner.options, &inner.reader);
        let pipeline = Pipeline::start(options, writer, reader, &inner.clock, &inner.metrics, grown, withdrawals);
        inner.pipeline.store(Some(Arc::new(pipeline.map_err(folder)?)));
        drop(one_at_a_time);
        // All records have been taken over by now.
        self.tenant_names().iter().for_each(|name| inner.bridge_as_recorded(name));
        inner.finish_removals();
        inner.forget_snapshots();
        Ok(())
    }

    /// Stops taking commands, and refuses those that are not durable yet. Returns the journal's writer, for following.
    /// Blocks.
    pub fn step_down(&self) -> Option<Writer> {
        self.inner.pipeline.swap(None)?.retire()
    }

    /// Number of the last frame of the journal that this host can read: see [`Reader::last_frame`].
    pub fn last_frame(&self) -> u64 {
        self.inner.reader.last_frame()
    }

    /// Whether this host owns the journal, even if a failure keeps it from taking commands.
    pub fn is_leading(&self) -> bool {
        self.inner.pipeline.load().is_some()
    }
}

impl Inner {
    /// The refusal of a command when this host has no pipeline.
    pub(super) fn no_pipeline(&self) -> SubmitError {
        match self.is_stopped.load(Ordering::SeqCst) {
            true => SubmitError::ShuttingDown,
            false => SubmitError::NotOwner,
        }
    }

    /// Reacts to new records in the tenant's history: its views are fed.
    fn grown(&self, tenant: &Tenant) {
        tenant.takes(self.reader.record_bytes(&tenant.name));
        self.projections.wake(&tenant.name);
    }

    /// Reads the new facts of the host's own history and puts them into effect.
    fn follow_facts(self: &Arc<Self>) -> Result<(), OpenError> {
        let problem = |problem: String| OpenError::History { what: "the host's own history", problem };
        {
            let mut stream = self.lock_stream();
            let mut tenants = self.tenant_book.lock().unwrap_or_else(PoisonError::into_inner);
            let mut deployments = self.deployments.lock().unwrap_or_else(PoisonError::into_inner);
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            let mut bridges = self.bridges.lock().unwrap_or_else(PoisonError::into_inner);
            let read = stream.read_on(&self.reader, &mut [&mut *tenants, &mut *deployments, &mut *keys, &mut *bridges]);
            read.map_err(|error| problem(error.to_string()))?;
        }
        let present: Vec<TenantName> = self.with_tenants(|book| book.present().map(|(name, _)| name.clone()).collect());
        for name in &present {
            self.put_into_effect(name);
            self.bridge_as_recorded(name);
        }
        let checks: Vec<_> = self
            .with_tenants(|book| book.present().filter_map(|(name, entry)| Some((name.clone(), entry.key?))).collect());
        self.reader.keys().expect(checks);
        self.restore_all();
        let gone: Vec<_> =
            self.tenants.load().values().filter(|tenant| !present.contains(&tenant.name)).cloned().collect();
        for tenant in gone {
            let mut tenants = HashMap::clone(&self.tenants.load());
            tenants.remove(&tenant.name);
            self.set_tenants(tenants);
            self.forget(&tenant.name);
        }
        Ok(())
    }

    /// Removes the local data of tenants that were removed while this host was away.
    fn forget_removed(&self) {
        let removed: Vec<TenantName> = self.with_tenants(|book| book.removed().cloned().collect());
        removed.iter().for_each(|name| self.forget(name));
    }

    /// Removes what this host has of a tenant. Its key was destroyed for all hosts by the host that removed it.
    fn forget(&self, name: &TenantName) {
        self.gate.forget(name);
        self.reader.keys().forget(name);
        if let Err(error) = self.projections.remove(name) {
            tracing::error!(tenant = %name, %error, "views of a removed tenant could not be deleted; the host tries again at the next start");
        }
    }

    pub(super) fn with_tenants<T>(&self, read: impl FnOnce(&crate::tenants::Tenants) -> T) -> T {
        read(&self.tenant_book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Locks the stream of the host's own history. Call it only on threads that may block.
    pub(super) fn lock_stream(&self) -> tokio::sync::MutexGuard<'_, crate::system::SystemStream> {
        // At the start the lock is free, and the thread may be one that must not block.
        self.stream.try_lock().unwrap_or_else(|_| self.stream.blocking_lock())
    }
}
