//! One tenant's views, open or closed. Opens them when there is something to fold or someone asks; closes them when nothing was
//! to do for a while. Knows nothing of how they are fed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use polder_core::{DomainName, TenantName};
use polder_journal::Reader;
use polder_sandbox::Component;

use super::Restore;
use super::open::OpenViews;
use super::scheduler::{Queue, Task, Turned};
use crate::tenant::Tenant;

/// Views that were left alone for so long are closed.
const LEFT_ALONE_MAX: Duration = Duration::from_secs(5);

pub(super) struct TenantViews {
    pub(super) tenant: Arc<Tenant>,
    path: PathBuf,
    restore: Arc<Restore>,
    reader: Reader,
    began: Instant,
    /// When they were used last, in milliseconds since `began`; 0 when nobody has used them.
    used_ms: AtomicU64,
    /// Waits to be opened.
    pub(super) queued: AtomicBool,
    /// Looked at by workers after each append, so without a lock.
    open: ArcSwapOption<OpenViews>,
    /// Whose projections are to be fed. Locked while the views are opened, closed or changed.
    wanted: Mutex<Wanted>,
}

type Wanted = BTreeMap<DomainName, Arc<Component>>;

/// Why a tenant's views cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the read models of tenant {tenant}: {problem}")]
pub(crate) struct ViewsError {
    tenant: TenantName,
    problem: String,
}

impl TenantViews {
    pub(super) fn new(tenant: Arc<Tenant>, path: PathBuf, restore: Arc<Restore>, reader: Reader) -> Self {
        Self {
            tenant,
            path,
            restore,
            reader,
            began: Instant::now(),
            used_ms: AtomicU64::new(0),
            queued: AtomicBool::new(false),
            open: ArcSwapOption::empty(),
            wanted: Mutex::default(),
        }
    }

    /// For when they are opened. At start they may be open already, for a domain that was expected a moment before.
    pub(super) fn expect(&self, component: &Arc<Component>) {
        let mut wanted = self.wanted();
        wanted.insert(component.descriptor.domain.clone(), Arc::clone(component));
        if let Some(open) = self.open.load_full()
            && open.activate(&self.tenant, component, &*self.restore).is_err()
        {
            // Whoever opens them next is told why.
            self.open.store(None);
            open.end();
        }
    }

    pub(super) fn activate(&self, component: &Arc<Component>, queue: &Queue) -> Result<(), ViewsError> {
        let mut wanted = self.wanted();
        wanted.insert(component.descriptor.domain.clone(), Arc::clone(component));
        let open = match self.open.load_full() {
            Some(open) => {
                let activated = open.activate(&self.tenant, component, &*self.restore);
                activated.map_err(|error| self.failed(error))?;
                open
            }
            None => self.open_wanted(&wanted)?,
        };
        drop(wanted);
        self.feed(&open, queue);
        Ok(())
    }

    /// The history has grown. Never blocks: views that are closed are opened by a thread of the scheduler.
    pub(super) fn wake(self: &Arc<Self>, queue: &Queue) {
        match &*self.open.load() {
            Some(open) => self.feed(open, queue),
            None => queue.open(self),
        }
    }

    /// For whoever asks: opens them when they are closed.
    pub(super) fn open(&self, queue: &Queue) -> Result<Arc<OpenViews>, ViewsError> {
        if let Some(open) = self.opened() {
            self.used();
            return Ok(open);
        }
        let open = self.opened_or_open()?;
        self.feed(&open, queue);
        Ok(open)
    }

    /// `None` when they are closed. Does not count as a use: who only watches must not keep them open.
    pub(super) fn opened(&self) -> Option<Arc<OpenViews>> {
        self.open.load_full()
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load().is_some()
    }

    pub(super) fn open_to_feed(&self, queue: &Queue) -> Turned {
        match self.open(queue) {
            Ok(_) => Turned::Done,
            Err(_) if self.tenant.is_closing() => Turned::Done,
            Err(error) => self.not_fed(&error),
        }
    }

    /// Folds in what was missed while the host was down, and closes them again unless someone has come meanwhile.
    pub(super) fn look(self: &Arc<Self>, queue: &Queue) -> Turned {
        let open = match self.opened_or_open() {
            Ok(open) => open,
            Err(_) if self.tenant.is_closing() => return Turned::Done,
            Err(error) => return self.not_fed(&error),
        };
        for feed in open.feeds() {
            if !feed.queued.swap(true, Ordering::SeqCst) {
                let turned = open.turn(&feed, &self.reader);
                queue.after(Task::Feed(feed), turned);
            }
        }
        drop(open);
        if !self.close_if_left_alone(queue) {
            queue.sweep();
        }
        Turned::Done
    }

    /// `true` when they are closed. What is in use, or has something to fold, stays open.
    pub(super) fn close_if_left_alone(self: &Arc<Self>, queue: &Queue) -> bool {
        let wanted = self.wanted();
        let Some(open) = self.open.load_full() else { return true };
        let used_ms = self.used_ms.load(Ordering::Relaxed);
        let is_left_alone = used_ms == 0 || self.now_ms().saturating_sub(used_ms) >= LEFT_ALONE_MAX.as_millis() as u64;
        if !(is_left_alone && open.are_idle()) {
            return false;
        }
        self.open.store(None);
        let reached = *self.tenant.positions.borrow();
        // Whoever found them open just before may still fold: that is waited for, so that two never fold the same view.
        open.end();
        drop(wanted);
        if open.are_behind(reached.max(*self.tenant.positions.borrow())) {
            // What came meanwhile has woken feeds that have ended.
            queue.open(self);
        }
        true
    }

    /// Nothing is folded any more, and the files are gone.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        let mut wanted = self.wanted();
        wanted.clear();
        if let Some(open) = self.open.swap(None) {
            open.end();
        }
        remove_files(&self.path)
    }

    fn feed(&self, open: &OpenViews, queue: &Queue) {
        self.used();
        open.feeds().iter().for_each(|feed| queue.wake(feed));
        queue.sweep();
    }

    fn opened_or_open(&self) -> Result<Arc<OpenViews>, ViewsError> {
        let wanted = self.wanted();
        match self.open.load_full() {
            Some(open) => Ok(open),
            None => self.open_wanted(&wanted),
        }
    }

    fn open_wanted(&self, wanted: &Wanted) -> Result<Arc<OpenViews>, ViewsError> {
        if self.tenant.is_closing() {
            return Err(self.failed("the tenant is being removed"));
        }
        let open = OpenViews::open(&self.path, &self.tenant.name, &self.reader).map_err(|error| self.failed(error))?;
        for component in wanted.values() {
            open.activate(&self.tenant, component, &*self.restore).map_err(|error| self.failed(error))?;
        }
        let open = Arc::new(open);
        self.open.store(Some(Arc::clone(&open)));
        Ok(open)
    }

    fn not_fed(&self, error: &ViewsError) -> Turned {
        tracing::error!(%error, "views are not fed; it is tried again");
        Turned::Stuck
    }

    fn failed(&self, error: impl std::fmt::Display) -> ViewsError {
        ViewsError { tenant: self.tenant.name.clone(), problem: error.to_string() }
    }

    pub(super) fn used(&self) {
        self.used_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// From 1: 0 stands for never.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// With what SQLite keeps beside it.
pub(super) fn remove_files(path: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match std::fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
