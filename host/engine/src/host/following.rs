//! One of several hosts that have a journal in common. One of them owns it and decides; the others take over what it recorded, frame by
//! frame, and answer every question from there. Which host owns it is not decided here.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use polder_core::TenantName;
use polder_journal::{OpenReport, Reader, Writer};

use super::{Host, Inner};
use crate::deployments::Depot;
use crate::pipeline::Pipeline;
use crate::tenant::Tenant;
use crate::{HostOptions, OpenError, SubmitError};

impl Host {
    /// Serves a copy of a journal that another host may own. Takes no commands until it [leads](Self::lead); components come from the
    /// depot where they are not here.
    pub fn open_following(
        reader: Reader,
        report: OpenReport,
        depot: Arc<dyn Depot>,
        options: HostOptions,
    ) -> Result<Self, OpenError> {
        let host = Self::start(options, reader, report, Some(depot))?;
        host.inner.forget_removed();
        Ok(host)
    }

    /// The journal has grown by records of these tenants, by another host's hand. Blocks.
    pub fn followed(&self, names: &[TenantName]) -> Result<(), OpenError> {
        let inner = &self.inner;
        // First: it may tell of a tenant.
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

    /// From now on this host owns the journal and takes commands. Blocks.
    pub fn lead(&self, mut writer: Writer) -> Result<(), OpenError> {
        let inner = &self.inner;
        let one_at_a_time = inner.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.is_stopped.load(Ordering::SeqCst) {
            return Err(OpenError::Stopped);
        }
        inner.make_first_key(&mut writer)?;
        inner.check_keys();
        // Of a tenant whose key came with the journal nothing was loaded before.
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
        // Everything that is recorded was taken over by now.
        self.tenant_names().iter().for_each(|name| inner.bridge_as_recorded(name));
        inner.finish_removals();
        inner.forget_snapshots();
        Ok(())
    }

    /// From now on this host takes no commands; what was not durable is refused. Gives what appended, to follow with. Blocks.
    pub fn step_down(&self) -> Option<Writer> {
        self.inner.pipeline.swap(None)?.retire()
    }

    /// The number of the journal's last frame that is to be seen here: see [`Reader::last_frame`].
    pub fn last_frame(&self) -> u64 {
        self.inner.reader.last_frame()
    }

    /// Whether this host takes commands itself, were it not for a failure.
    pub fn is_leading(&self) -> bool {
        self.inner.pipeline.load().is_some()
    }
}

impl Inner {
    /// Why there is nothing to append with.
    pub(super) fn no_pipeline(&self) -> SubmitError {
        match self.is_stopped.load(Ordering::SeqCst) {
            true => SubmitError::ShuttingDown,
            false => SubmitError::NotOwner,
        }
    }

    /// The tenant's history has: views are to be fed.
    fn grown(&self, tenant: &Tenant) {
        tenant.takes(self.reader.record_bytes(&tenant.name));
        self.projections.wake(&tenant.name);
    }

    /// Reads on in the host's own history, and puts into effect what it tells.
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
            self.tenants.store(Arc::new(tenants));
            self.forget(&tenant.name);
        }
        Ok(())
    }

    /// Of tenants that were removed while this host was away.
    fn forget_removed(&self) {
        let removed: Vec<TenantName> = self.with_tenants(|book| book.removed().cloned().collect());
        removed.iter().for_each(|name| self.forget(name));
    }

    /// What is left of it here: its key was destroyed for all hosts by the one that removed it.
    fn forget(&self, name: &TenantName) {
        self.gate.forget(name);
        self.reader.keys().forget(name);
        if let Err(error) = self.projections.remove(name) {
            tracing::error!(tenant = %name, %error, "views of a removed tenant are still here; it is tried again at the next start");
        }
    }

    pub(super) fn with_tenants<T>(&self, look: impl FnOnce(&crate::tenants::Tenants) -> T) -> T {
        look(&self.tenant_book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// On threads that may block.
    pub(super) fn lock_stream(&self) -> tokio::sync::MutexGuard<'_, crate::system::SystemStream> {
        // At start nobody else has it, and the thread may be one that must not block.
        self.stream.try_lock().unwrap_or_else(|_| self.stream.blocking_lock())
    }
}
