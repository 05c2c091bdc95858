//! The read path: views fed from the journal, and what is asked of them.
//!
//! ```text
//! journal ─ batches ─> feed (routes and folds in the guest) ─ documents + checkpoint, one transaction ─> SQLite ─> readers
//! ```
//!
//! A tenant's views are open while there is something to fold or someone asks, and closed when that was a while ago: a tenant that
//! rests costs the names of its domains and no more.

mod feed;
mod open;
mod query;
mod routing;
mod scheduler;
mod slot;
mod store;
mod tenant_views;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use polder_core::{DomainName, Position, ProjectionName, Revision, TenantName};
use polder_journal::Reader;
use polder_sandbox::Component;
use tokio::sync::watch;

use crate::ProjectionInfo;
use crate::tenant::Tenant;
use open::OpenViews;
pub(crate) use query::check;
use scheduler::{Queue, Scheduler, Task, Turned};
use store::ViewStore;
use tenant_views::TenantViews;
pub(crate) use tenant_views::ViewsError;

pub(crate) struct Projections {
    folder: PathBuf,
    tenants: Arc<Tenants>,
    restore: Arc<Restore>,
    reader: Reader,
    scheduler: Scheduler,
}

type Tenants = RwLock<HashMap<TenantName, Arc<TenantViews>>>;

/// Gives a revision's component back, if it can still be had.
pub(crate) type Restore = dyn Fn(Revision) -> Option<Arc<Component>> + Send + Sync;

impl Projections {
    pub(crate) fn start(
        data_dir: &Path,
        threads: usize,
        reader: &Reader,
        restore: Arc<Restore>,
    ) -> std::io::Result<Self> {
        let folder = data_dir.join("views");
        std::fs::create_dir_all(&folder)?;
        let tenants: Arc<Tenants> = Arc::default();
        let (reading, known) = (reader.clone(), Arc::clone(&tenants));
        let scheduler = Scheduler::start(threads, move |queue, task| turn(queue, task, &known, &reading))?;
        Ok(Self { folder, tenants, restore, reader: reader.clone(), scheduler })
    }

    /// At start: these are the component's projections, and what they have missed is folded in when nothing is more urgent.
    pub(crate) fn expect(&self, tenant: &Arc<Tenant>, component: &Arc<Component>) {
        let views = self.views_or_new(tenant);
        views.expect(component);
        self.scheduler.queue().look(views);
    }

    /// Makes the component's projections the ones to be: a view of another revision stays in place until the new one has
    /// caught up.
    pub(crate) fn activate(&self, tenant: &Arc<Tenant>, component: &Arc<Component>) -> Result<(), ViewsError> {
        let views = self.views_or_new(tenant);
        views.activate(component, self.scheduler.queue())
    }

    /// The tenant's history has grown.
    pub(crate) fn wake(&self, tenant: &TenantName) {
        if let Some(views) = self.views(tenant) {
            views.wake(self.scheduler.queue());
        }
    }

    pub(crate) fn info(&self, tenant: &TenantName, domain: &DomainName) -> Result<Vec<ProjectionInfo>, ViewsError> {
        let Some(views) = self.views(tenant) else { return Ok(Vec::new()) };
        Ok(views.open(self.scheduler.queue())?.info(domain))
    }

    /// As [`info`](Self::info); empty while the tenant's views are closed.
    pub(crate) fn info_if_open(&self, tenant: &TenantName, domain: &DomainName) -> Vec<ProjectionInfo> {
        let open = self.views(tenant).and_then(|views| views.opened());
        open.map(|open| open.info(domain)).unwrap_or_default()
    }

    /// How far the documents that readers see have come, as it moves. Blocks when the views are closed; see
    /// [`position_if_open`](Self::position_if_open).
    pub(crate) fn position(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Result<Option<watch::Receiver<Position>>, ViewsError> {
        let Some(views) = self.views(tenant) else { return Ok(None) };
        Ok(views.open(self.scheduler.queue())?.position(domain, projection))
    }

    pub(crate) fn position_if_open(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Option<watch::Receiver<Position>> {
        let views = self.views(tenant)?;
        views.used();
        views.opened()?.position(domain, projection)
    }

    /// Somebody waits for the view to come further than its position, which he has.
    pub(crate) fn hurry(&self, tenant: &TenantName, domain: &DomainName, projection: &ProjectionName) {
        if let Some(open) = self.views(tenant).and_then(|views| views.opened()) {
            open.hurry(domain, projection, self.scheduler.queue());
        }
    }

    /// For reading: see [`ViewStore::read`].
    pub(crate) fn reader(&self, tenant: &TenantName) -> Result<Option<ViewsReader>, ViewsError> {
        let Some(views) = self.views(tenant) else { return Ok(None) };
        views.open(self.scheduler.queue()).map(ViewsReader).map(Some)
    }

    /// How many tenants' views are open.
    pub(crate) fn open_count(&self) -> usize {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.values().filter(|views| views.is_open()).count()
    }

    /// How many tenants' views have not been looked after since the start.
    pub(crate) fn unseen_count(&self) -> usize {
        self.scheduler.queue().unseen_count()
    }

    /// Its documents are gone when this returns, also from the disk.
    pub(crate) fn remove(&self, tenant: &TenantName) -> std::io::Result<()> {
        let views = self.tenants.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
        match views {
            Some(views) => views.remove(),
            None => tenant_views::remove_files(&self.folder.join(format!("{tenant}.sqlite"))),
        }
    }

    pub(crate) fn stop(&self) {
        self.scheduler.stop();
    }

    fn views(&self, tenant: &TenantName) -> Option<Arc<TenantViews>> {
        views_of(&self.tenants, tenant)
    }

    fn views_or_new(&self, tenant: &Arc<Tenant>) -> Arc<TenantViews> {
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        let new = || {
            let path = self.folder.join(format!("{}.sqlite", tenant.name));
            Arc::new(TenantViews::new(Arc::clone(tenant), path, Arc::clone(&self.restore), self.reader.clone()))
        };
        Arc::clone(tenants.entry(tenant.name.clone()).or_insert_with(new))
    }
}

pub(crate) struct ViewsReader(Arc<OpenViews>);

impl ViewsReader {
    fn store(&self) -> &ViewStore {
        &self.0.store
    }
}

fn turn(queue: &Queue, task: &Task, tenants: &Tenants, reader: &Reader) -> Turned {
    match task {
        Task::Feed(feed) => match views_of(tenants, &feed.tenant.name).and_then(|views| views.opened()) {
            Some(open) => open.turn(feed, reader),
            None => Turned::Done,
        },
        Task::Open(views) => views.open_to_feed(queue),
        Task::Look(views) => views.look(queue),
        Task::Sweep => {
            let all: Vec<_> = tenants.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
            // Each is looked at, so that those left alone are closed.
            let open = all.iter().filter(|views| !views.close_if_left_alone(queue)).count();
            if open == 0 { Turned::Done } else { Turned::Stuck }
        }
    }
}

fn views_of(tenants: &Tenants, tenant: &TenantName) -> Option<Arc<TenantViews>> {
    tenants.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
}
