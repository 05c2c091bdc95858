//! The views of all tenants: opened when there is something to fold or a reader uses them, and closed some time later.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use polder_core::{DomainName, Position, ProjectionName, TenantName};
use polder_journal::Reader;
use polder_journal::disk::create_private_folder;
use polder_sandbox::Component;

use super::answers::ProjectionInfo;
use super::evidence;
use super::open_views::{Asked, OpenViews, Reached};
use super::restore::Restore;
use super::slot::{Damaged, FeedSlot};
use super::store_thread::LaneAccess;
use super::tenant_views::{self, TenantViews, ViewsError};
use super::view_tasks::{SWEEP_EVERY, ViewQueue, ViewTask};
use super::views_reader::ViewsReader;
use crate::scheduler::{Lane, Scheduler, Turned};
use crate::tenancy::Tenant;

/// Tenants whose views may be open at a time, each with three to nine file descriptors. Beyond this, the views that
/// were not used for longest are closed as soon as they have nothing to fold.
const OPEN_TENANTS_MAX: usize = 64;
/// How often one lookup of a position opens views that were closed or rebuilt meanwhile. Each time takes a view that is
/// opened and ended between two steps of the lookup.
const POSITION_LOOKUPS_MAX: usize = 16;

pub(crate) struct Projections {
    folder: PathBuf,
    tenants: Arc<Tenants>,
    restore: Arc<Restore>,
    reader: Reader,
    pub(super) scheduler: Scheduler<ViewTask>,
}

type Tenants = RwLock<HashMap<TenantName, Arc<TenantViews>>>;

impl Projections {
    pub(crate) fn start(
        data_dir: &Path,
        threads: usize,
        reader: &Reader,
        restore: Arc<Restore>,
    ) -> std::io::Result<Self> {
        let folder = data_dir.join("views");
        create_private_folder(&folder)?;
        let tenants: Arc<Tenants> = Arc::default();
        let (fast, slow, known) = (LaneAccess::fast(reader), LaneAccess::slow(reader)?, Arc::clone(&tenants));
        let scheduler = Scheduler::start("projections", threads, move |queue, task, lane| {
            let access = if lane == Lane::Slow { &slow } else { &fast };
            turn(queue, task, lane, &known, access)
        })?;
        Ok(Self { folder, tenants, restore, reader: reader.clone(), scheduler })
    }

    /// At the start, registers the component's projections. Missed events are folded in when nothing is more urgent.
    pub(crate) fn expect(&self, tenant: &Arc<Tenant>, component: &Arc<Component>) {
        let views = self.views_or_new(tenant);
        views.expect(component);
        self.scheduler.queue().look(tenant);
    }

    /// Makes the component's projections the current ones. A view of another revision remains in place until the new
    /// one has caught up.
    pub(crate) fn activate(
        &self,
        tenant: &Arc<Tenant>,
        component: &Arc<Component>,
        asked: Option<Asked>,
    ) -> Result<(), ViewsError> {
        let views = self.views_or_new(tenant);
        views.activate(component, asked, self.scheduler.queue())
    }

    /// The position that the tenant's views had reached before the start. The history must reach at least as far. Reads
    /// from the disk.
    pub(crate) fn seen(&self, tenant: &TenantName) -> Option<Position> {
        evidence::seen(&self.folder.join(format!("{tenant}.sqlite")))
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Wakes the tenant's views after its history has grown.
    pub(crate) fn wake(&self, tenant: &TenantName) {
        if let Some(views) = self.views(tenant) {
            views.wake(self.scheduler.queue());
        }
    }

    /// Applies the tenant's new limits to its views.
    pub(crate) fn limits_changed(&self, tenant: &TenantName) {
        if let Some(views) = self.views(tenant) {
            views.limits_changed(self.scheduler.queue());
        }
    }

    pub(crate) fn info(&self, tenant: &TenantName, domain: &DomainName) -> Result<Vec<ProjectionInfo>, ViewsError> {
        let Some(views) = self.views(tenant) else { return Ok(Vec::new()) };
        Ok(views.open(self.scheduler.queue())?.info(domain))
    }

    /// Like [`info`](Self::info), but returns nothing while the tenant's views are closed.
    pub(crate) fn info_if_open(&self, tenant: &TenantName, domain: &DomainName) -> Vec<ProjectionInfo> {
        let open = self.views(tenant).and_then(|views| views.opened());
        open.map(|open| open.info(domain)).unwrap_or_default()
    }

    /// The position of the documents that readers see, as it advances. Blocks when the views are closed; see
    /// [`position_if_open`](Self::position_if_open).
    ///
    /// # Errors
    /// Fails if the views cannot be opened, or if they were closed [`POSITION_LOOKUPS_MAX`] times meanwhile.
    pub(crate) fn position(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Result<Option<Reached>, ViewsError> {
        let Some(views) = self.views(tenant) else { return Ok(None) };
        for _ in 0..POSITION_LOOKUPS_MAX {
            // Views may be closed, made anew or switched between the two steps.
            if let Ok(reached) = views.open(self.scheduler.queue())?.position(domain, projection) {
                return Ok(reached);
            }
        }
        Err(views.failed("they were closed again and again while a position was looked up"))
    }

    pub(crate) fn position_if_open(
        &self,
        tenant: &TenantName,
        domain: &DomainName,
        projection: &ProjectionName,
    ) -> Option<Reached> {
        let views = self.views(tenant)?;
        views.used();
        let open = views.opened()?;
        if open.are_damaged() { None } else { open.position(domain, projection).ok().flatten() }
    }

    /// Wakes the view's feeds for a reader that has subscribed to its position already.
    pub(crate) fn hurry(&self, tenant: &TenantName, domain: &DomainName, projection: &ProjectionName) {
        if let Some(open) = self.views(tenant).and_then(|views| views.opened()) {
            open.hurry(domain, projection, self.scheduler.queue());
        }
    }

    /// Opens the tenant's views for reading.
    pub(crate) fn reader(&self, tenant: &TenantName) -> Result<Option<ViewsReader>, ViewsError> {
        let Some(views) = self.views(tenant) else { return Ok(None) };
        views.open(self.scheduler.queue()).map(ViewsReader).map(Some)
    }

    /// Number of tenants whose views are open.
    pub(crate) fn open_count(&self) -> usize {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.values().filter(|views| views.is_open()).count()
    }

    /// Number of tenants whose views were not checked yet since the start.
    pub(crate) fn unseen_count(&self) -> usize {
        self.scheduler.queue().unhurried_count()
    }

    /// Removes the tenant's views. Its documents are gone from the disk when this returns. A running turn is ended.
    pub(crate) fn remove(&self, tenant: &TenantName) -> std::io::Result<()> {
        let views = self.tenants.write().unwrap_or_else(PoisonError::into_inner).remove(tenant);
        match views {
            Some(views) => views.remove(),
            None => tenant_views::remove_files(&self.folder.join(format!("{tenant}.sqlite"))),
        }
    }

    /// Asks the running turns to end. No further one begins. Unwritten changes are folded again at the next start.
    pub(crate) fn begin_stop(&self) {
        self.scheduler.begin_stop();
    }

    /// Does what [`begin_stop`](Self::begin_stop) does, and blocks until the threads have ended.
    pub(crate) fn stop(&self) {
        self.scheduler.stop();
    }

    pub(super) fn views(&self, tenant: &TenantName) -> Option<Arc<TenantViews>> {
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

fn turn(queue: &ViewQueue, task: &ViewTask, lane: Lane, tenants: &Tenants, access: &LaneAccess) -> Turned {
    let with_views = |tenant: &Tenant, turn: &dyn Fn(&TenantViews) -> Turned| {
        // The views are gone if the tenant was removed.
        views_of(tenants, &tenant.name).map_or(Turned::Done, |views| turn(&views))
    };
    match task {
        ViewTask::Feed(feed) => with_views(&feed.tenant, &|views| feed_turn(queue, feed, lane, views, access)),
        ViewTask::Open { tenant, .. } => with_views(tenant, &|views| views.open_to_feed(queue)),
        ViewTask::Look(tenant) => with_views(tenant, &|views| views.look(queue, access)),
        ViewTask::Sweep => sweep(queue, tenants),
    }
}

fn feed_turn(queue: &ViewQueue, feed: &FeedSlot, lane: Lane, views: &TenantViews, access: &LaneAccess) -> Turned {
    let Some(open) = views.opened() else { return Turned::Done };
    match access.reader.check_room() {
        Ok(()) => open.turn(feed, access, lane).unwrap_or_else(|Damaged| renewed(views, &open, queue)),
        Err(shortage) => feed.hold_up(shortage.to_string()),
    }
}

/// Rebuilds a damaged file. The feed that found the damage ends with the old file; the feeds of the new file continue.
fn renewed(views: &TenantViews, damaged: &Arc<OpenViews>, queue: &ViewQueue) -> Turned {
    damaged.note_damage();
    match views.make_anew(damaged).and_then(|()| views.open(queue)) {
        Ok(_) => Turned::Done,
        Err(error) => {
            tracing::error!(%error, "damaged read models cannot be rebuilt yet; the host will try again");
            Turned::Stuck
        }
    }
}

/// Closes views that were not used for a while, and, beyond [`OPEN_TENANTS_MAX`], those that were not used for longest.
fn sweep(queue: &ViewQueue, tenants: &Tenants) -> Turned {
    let all: Vec<_> = tenants.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
    // All views are checked, so that each unused one is closed.
    let mut open: Vec<_> = all.into_iter().filter(|views| !views.close_if_left_alone(queue)).collect();
    open.sort_by_cached_key(|views| Reverse(views.idle_ms()));
    let beyond = open.len().saturating_sub(OPEN_TENANTS_MAX);
    for views in open.iter().take(beyond) {
        views.close_if_idle(queue);
    }
    if open.is_empty() { Turned::Done } else { Turned::Later(SWEEP_EVERY) }
}

fn views_of(tenants: &Tenants, tenant: &TenantName) -> Option<Arc<TenantViews>> {
    tenants.read().unwrap_or_else(PoisonError::into_inner).get(tenant).cloned()
}
