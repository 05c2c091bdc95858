//! A host that serves a copy of a journal which another host owns, and the change of ownership between them. This
//! module does not choose the owner.

use std::sync::{Arc, PoisonError};

use polder_core::TenantName;
use polder_journal::{OpenReport, Reader, Writer};

use super::open_error::OpenError;
use super::options::HostOptions;
use super::{Host, Inner, registries};
use crate::deployments::ComponentStore;
use crate::tenancy::Tenant;
use crate::write::Pipeline;

impl Host {
    /// Serves a copy of a journal that another host may own. The host takes no commands until it [leads](Self::lead).
    /// Components that it does not have come from `component_store`.
    pub fn open_following(
        reader: Reader,
        report: OpenReport,
        component_store: Arc<dyn ComponentStore>,
        options: HostOptions,
    ) -> Result<Self, OpenError> {
        let host = Self::start(options, reader, report, Some(component_store))?;
        host.inner.tenants.forget_removed();
        Ok(host)
    }

    /// Puts records into effect that another host has appended to the journal. `names` are the tenants of these
    /// records. Blocks.
    pub fn followed(&self, names: &[TenantName]) -> Result<(), OpenError> {
        let inner = &self.inner;
        let system = inner.directory.system();
        // The host's own history comes first, because it may contain a new tenant.
        if names.contains(&system.name) {
            inner.follow_facts()?;
            system.reached(inner.reader.last_position(&system.name));
        }
        for tenant in names.iter().filter_map(|name| inner.directory.get(name)) {
            tenant.reached(inner.reader.last_position(&tenant.name));
            inner.grown(&tenant);
        }
        Ok(())
    }

    /// Makes this host the owner of the journal: from now on it takes commands. Blocks.
    pub fn lead(&self, mut writer: Writer) -> Result<(), OpenError> {
        let inner = &self.inner;
        let one_at_a_time = inner.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.write_path.is_closed() {
            return Err(OpenError::Stopped);
        }
        let folder = |source| OpenError::Folder { path: inner.options.data_dir.clone(), source };
        inner.tenants.make_first_key(&mut writer).map_err(folder)?;
        inner.tenants.check_keys();
        // A tenant whose key arrived with the journal could not be loaded before.
        inner.deployments.restore_all();
        let weak = Arc::downgrade(inner);
        let grown = Box::new(move |tenant: &Tenant| {
            if let Some(inner) = weak.upgrade() {
                inner.grown(tenant);
            }
        });
        inner.clock.begin_at(writer.newest_at_ms());
        let threads = (inner.options.workers, inner.options.is_audited);
        let withdrawals = inner.withdrawals.clone();
        let pipeline =
            Pipeline::start(threads, writer, &inner.reader, &inner.clock, &inner.metrics, grown, withdrawals);
        inner.write_path.begin(pipeline.map_err(folder)?);
        drop(one_at_a_time);
        // All records have been taken over by now.
        inner.directory.names().iter().for_each(|name| inner.translations.put_into_effect(name));
        inner.tenants.finish_removals();
        inner.deployments.forget_snapshots();
        Ok(())
    }

    /// Stops taking commands, and refuses those that are not durable yet. Returns the journal's writer, for following.
    /// Blocks.
    pub fn step_down(&self) -> Option<Writer> {
        self.inner.write_path.step_down()
    }

    /// Number of the last frame of the journal that this host can read: see [`Reader::last_frame`].
    pub fn last_frame(&self) -> u64 {
        self.inner.reader.last_frame()
    }

    /// Whether this host owns the journal, even if a failure keeps it from taking commands.
    pub fn is_leading(&self) -> bool {
        self.inner.write_path.is_open()
    }
}

impl Inner {
    /// Reacts to new records in the tenant's history: wakes its views, which fold them in.
    fn grown(&self, tenant: &Tenant) {
        tenant.takes(self.reader.record_bytes(&tenant.name));
        self.projections.wake(&tenant.name);
    }

    /// Reads the new facts of the host's own history and puts them into effect.
    fn follow_facts(&self) -> Result<(), OpenError> {
        {
            let mut act = self.control.begin();
            let mut tenants = self.tenants.registry().lock().unwrap_or_else(PoisonError::into_inner);
            let mut deployments = self.deployments.registry().lock().unwrap_or_else(PoisonError::into_inner);
            let mut keys = self.access_keys.registry().lock().unwrap_or_else(PoisonError::into_inner);
            let mut bridges = self.translations.registry().lock().unwrap_or_else(PoisonError::into_inner);
            let all = &mut registries::all(&mut tenants, &mut deployments, &mut keys, &mut bridges);
            act.read_on(&self.reader, all).map_err(OpenError::own_history)?;
        }
        self.tenants.take_up_present();
        self.directory.names().iter().for_each(|name| self.translations.put_into_effect(name));
        self.deployments.restore_all();
        self.tenants.drop_removed();
        Ok(())
    }
}
