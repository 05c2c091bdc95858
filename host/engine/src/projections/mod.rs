//! The read path: views fed from the journal, and what is asked of them.
//!
//! ```text
//! journal ─ batches ─> feed (routes and folds in the guest) ─ documents + checkpoint, one transaction ─> SQLite ─> readers
//! ```

mod feed;
mod query;
mod routing;
mod scheduler;
mod slot;
mod store;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use polder_core::{DomainName, Position, ProjectionName, Revision, TenantName};
use polder_journal::Reader;
use polder_sandbox::Component;
use tokio::sync::watch;

use crate::ProjectionInfo;
use crate::tenant::Tenant;
use feed::Feed;
pub(crate) use query::check;
use scheduler::{Scheduler, Turned};
use slot::FeedSlot;
use store::{StoreResult, View, ViewStore};

pub(crate) struct Projections {
    folder: PathBuf,
    tenants: Arc<Tenants>,
    scheduler: Scheduler,
}

type Tenants = RwLock<HashMap<TenantName, Arc<TenantViews>>>;

struct TenantViews {
    store: ViewStore,
    feeds: RwLock<Vec<Arc<FeedSlot>>>,
    /// Held while views are added, switched or dropped: a rebuilt view either takes the place of the old one or makes
    /// room for a newer revision's, never both.
    changing: Mutex<()>,
}

/// Gives a revision's component back, if it can still be had.
pub(crate) type Restore<'a> = &'a dyn Fn(Revision) -> Option<Arc<Component>>;

impl Projections {
    pub(crate) fn start(data_dir: &Path, threads: usize, reader: &Reader) -> std::io::Result<Self> {
        let folder = data_dir.join("views");
        std::fs::create_dir_all(&folder)?;
        let tenants: Arc<Tenants> = Arc::default();
        let (reader, known) = (reader.clone(), Arc::clone(&tenants));
        let scheduler = Scheduler::start(threads, move |feed| match views_of(&known, &feed.tenant.name) {
            Some(views) => views.turn(feed, &reader),
            None => Turned::Done,
        })?;
        Ok(Self { folder, tenants, scheduler })
    }

    pub(crate) fn open(&self, tenant: &TenantName) -> Result<(), String> {
        let store =
            ViewStore::open(&self.folder.join(format!("{tenant}.sqlite"))).map_err(|error| error.to_string())?;
        let views = Arc::new(TenantViews { store, feeds: RwLock::default(), changing: Mutex::default() });
        self.tenants.write().unwrap_or_else(PoisonError::into_inner).insert(tenant.clone(), views);
        Ok(())
    }

    /// Makes the component's projections the ones to be: a view of another revision stays in place until the new one has
    /// caught up.
    pub(crate) fn activate(
        &self,
        tenant: &Arc<Tenant>,
        component: &Arc<Component>,
        restore: Restore<'_>,
    ) -> StoreResult<()> {
        let Some(views) = self.views(&tenant.name) else { return Ok(()) };
        let changing = views.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let descriptor = &component.descriptor;
        let (domain, revision) = (&descriptor.domain, component.revision);
        for old in views.store.views()?.into_iter().filter(|view| view.domain == *domain && view.revision != revision) {
            let is_wanted = descriptor.projections.contains_key(&old.projection);
            if !(is_wanted && old.live) {
                views.retire(|feed| feed.view.id == old.id);
                views.store.drop_view(old.id)?;
            } else if !views.is_fed(&old)
                && let Some(component) = restore(old.revision)
            {
                views.feed(tenant, old, component)?;
            }
        }
        for projection in descriptor.projections.keys() {
            let view = views.store.view(domain, projection, revision)?;
            if !views.is_fed(&view) {
                views.feed(tenant, view, Arc::clone(component))?;
            }
        }
        drop(changing);
        self.wake(&tenant.name);
        Ok(())
    }

    /// The tenant's history has grown.
    pub(crate) fn wake(&self, tenant: &TenantName) {
        let Some(views) = self.views(tenant) else { return };
        for feed in views.feeds.read().unwrap_or_else(PoisonError::into_inner).iter() {
            self.scheduler.wake(feed);
        }
    }

    pub(crate) fn info(&self, tenant: &TenantName, domain: &DomainName) -> Vec<ProjectionInfo> {
        let Some(views) = self.views(tenant) else { return Vec::new() };
        let feeds = views.feeds.read().unwrap_or_else(PoisonError::into_inner);
        let own = || feeds.iter().filter(|feed| feed.view.domain == *domain);
        let live = own().filter(|feed| feed.live.load(Ordering::Acquire));
        live.map(|feed| {
            let other =
                own().find(|other| other.view.projection == feed.view.projection && other.view.id != feed.view.id);
            ProjectionInfo {
                projection: feed.view.projection.clone(),
                revision: feed.view.revision,
                position: *feed.position.borrow(),
                rebuilding: other.map(|other| *other.position.borrow()),
                parked: views.store.parked_count(feed.view.id).unwrap_or_default(),
                stalled: feed.stalled().or_else(|| other.and_then(|other| other.stalled())),
            }
        })
        .collect()
    }

    /// How far the documents that readers see have come, as it moves.
    pub(crate) fn position(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Option<watch::Receiver<Position>> {
        let views = self.views(tenant)?;
        let feeds = views.feeds.read().unwrap_or_else(PoisonError::into_inner);
        let mut own = feeds.iter().filter(|feed| feed.view.domain == *domain && feed.view.projection == *projection);
        own.find(|feed| feed.live.load(Ordering::Acquire)).map(|feed| feed.position.subscribe())
    }

    /// For reading: see [`ViewStore::read`].
    pub(crate) fn reader(&self, tenant: &TenantName) -> Option<ViewsReader> {
        self.views(tenant).map(ViewsReader)
    }

    pub(crate) fn stop(&self) {
        self.scheduler.stop();
    }

    fn views(&self, tenant: &TenantName) -> Option<Arc<TenantViews>> {
        views_of(&self.tenants, tenant)
    }
}

pub(crate) struct ViewsReader(Arc<TenantViews>);

impl ViewsReader {
    fn store(&self) -> &ViewStore {
        &self.0.store
    }
}

fn views_of(tenants: &Tenants, tenant: &TenantName) -> Option<Arc<TenantViews>> {
    tenants.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
}

impl TenantViews {
    fn is_fed(&self, view: &View) -> bool {
        self.feeds.read().unwrap_or_else(PoisonError::into_inner).iter().any(|feed| feed.view.id == view.id)
    }

    fn feed(&self, tenant: &Arc<Tenant>, view: View, component: Arc<Component>) -> StoreResult<()> {
        let blocked = self.store.blocked(view.id)?;
        let feed = Feed::new(Arc::clone(tenant), view.clone(), component, blocked);
        let slot = Arc::new(FeedSlot::new(Arc::clone(tenant), view, feed));
        self.feeds.write().unwrap_or_else(PoisonError::into_inner).push(slot);
        Ok(())
    }

    fn turn(&self, feed: &FeedSlot, reader: &Reader) -> Turned {
        feed.turn(reader, &self.store, &|| self.go_live(feed))
    }

    /// The view has caught up: it takes the place of the one before.
    fn go_live(&self, feed: &FeedSlot) -> StoreResult<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        if feed.live.load(Ordering::Acquire) || feed.retired.load(Ordering::Acquire) {
            return Ok(());
        }
        let view = &feed.view;
        self.store.switch_to(view)?;
        feed.live.store(true, Ordering::Release);
        tracing::info!(projection = %view.projection, revision = %view.revision.short(), "a rebuilt view is live");
        self.retire(|other| {
            other.view.id != view.id && other.view.domain == view.domain && other.view.projection == view.projection
        });
        Ok(())
    }

    fn retire(&self, which: impl Fn(&FeedSlot) -> bool) {
        self.feeds.write().unwrap_or_else(PoisonError::into_inner).retain(|feed| {
            let goes = which(feed);
            if goes {
                feed.retired.store(true, Ordering::Release);
                // Who waits for it has to look for the view that took its place.
                feed.position.send_modify(|_| ());
            }
            !goes
        });
    }
}
