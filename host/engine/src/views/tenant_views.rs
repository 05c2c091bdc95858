//! One tenant's views, open or closed. Opens them when there is something to fold or a reader needs them; closes them
//! after a period without use. Does not know how events are folded into them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use polder_core::{DomainName, TenantName};
use polder_journal::Reader;
use polder_sandbox::{Component, CpuTime};

use super::open_views::{Asked, OpenViews, OpenViewsError};
use super::restore::Restore;
use super::store_thread::LaneAccess;
use super::view_tasks::{ViewQueue, ViewTask};
use crate::scheduler::{Lane, Turned};
use crate::tenancy::Tenant;

/// Views that were not used for this long are closed.
const LEFT_ALONE_MAX: Duration = Duration::from_secs(5);

pub(super) struct TenantViews {
    pub(super) tenant: Arc<Tenant>,
    path: PathBuf,
    restore: Arc<Restore>,
    reader: Reader,
    began: Instant,
    /// Time of the last use, in milliseconds since `began`; 0 if they were never used.
    used_ms: AtomicU64,
    /// Whether the views are queued to be opened.
    queued: Arc<AtomicBool>,
    /// Read by workers after each append, and therefore without a lock.
    open: ArcSwapOption<OpenViews>,
    /// The components whose projections receive events. Locked while the views are opened, closed or changed.
    wanted: Mutex<Wanted>,
}

type Wanted = BTreeMap<DomainName, Arc<Component>>;

/// The reason why a tenant's views cannot be used.
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
            queued: Arc::default(),
            open: ArcSwapOption::empty(),
            wanted: Mutex::default(),
        }
    }

    /// Registers a component for when the views are opened. At the start they may be open already, for a domain that
    /// was registered a moment before.
    pub(super) fn expect(&self, component: &Arc<Component>) {
        let mut wanted = self.wanted();
        wanted.insert(component.descriptor.domain.clone(), Arc::clone(component));
        if let Some(open) = self.open.load_full()
            && open.activate(&self.tenant, component, &*self.restore, None).is_err()
        {
            // The next caller that opens them gets the reason.
            self.open.store(None);
            open.end();
        }
    }

    pub(super) fn activate(
        &self,
        component: &Arc<Component>,
        asked: Option<Asked>,
        queue: &ViewQueue,
    ) -> Result<(), ViewsError> {
        let mut wanted = self.wanted();
        wanted.insert(component.descriptor.domain.clone(), Arc::clone(component));
        let open = match self.open.load_full() {
            Some(open) => open,
            None => self.open_wanted(&wanted)?,
        };
        let activated = open.activate(&self.tenant, component, &*self.restore, asked);
        activated.map_err(|error| self.failed(error))?;
        drop(wanted);
        self.feed(&open, queue);
        Ok(())
    }

    /// Wakes the feeds after the history has grown. Never blocks: closed views are opened by a thread of the scheduler.
    pub(super) fn wake(&self, queue: &ViewQueue) {
        match &*self.open.load() {
            Some(open) => self.feed(open, queue),
            None => queue.open(&self.tenant, &self.queued),
        }
    }

    /// Returns the open views for a reader, and opens them if they are closed.
    pub(super) fn open(&self, queue: &ViewQueue) -> Result<Arc<OpenViews>, ViewsError> {
        if let Some(open) = self.opened() {
            self.used();
            if !open.are_damaged() {
                return Ok(open);
            }
            self.make_anew(&open)?;
        }
        let open = self.opened_or_open()?;
        self.feed(&open, queue);
        Ok(open)
    }

    /// The views if they are open. This does not count as a use, so that monitoring does not keep them open.
    pub(super) fn opened(&self) -> Option<Arc<OpenViews>> {
        self.open.load_full()
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load().is_some()
    }

    pub(super) fn open_to_feed(&self, queue: &ViewQueue) -> Turned {
        match self.open(queue) {
            Ok(_) => Turned::Done,
            Err(_) if self.tenant.is_closing() => Turned::Done,
            Err(error) => self.not_fed(&error),
        }
    }

    /// Folds in the events missed while the host was down, and closes the views again if no reader has used them in the
    /// meantime.
    pub(super) fn look(&self, queue: &ViewQueue, access: &LaneAccess) -> Turned {
        let open = match self.opened_or_open() {
            Ok(open) => open,
            Err(_) if self.tenant.is_closing() => return Turned::Done,
            Err(error) => return self.not_fed(&error),
        };
        let cpu_time = CpuTime::now();
        for feed in open.feeds() {
            if u128::from(cpu_time.elapsed_ns()) > Lane::Fast.turn_cpu_max().as_nanos() {
                // Let the tasks of other tenants run in between.
                queue.wake(&feed);
            } else if !feed.queued.swap(true, Ordering::SeqCst) {
                let turned = open.turn(&feed, access, Lane::Fast);
                // The feed's next turn finds the damage again, and has the file rebuilt.
                queue.after(ViewTask::Feed(feed), turned.unwrap_or(Turned::Stuck));
            }
        }
        drop(open);
        if !self.close_if_left_alone(queue) {
            queue.sweep();
        }
        Turned::Done
    }

    /// Closes the views if they were not used for a while. Views in use, or with something to fold, stay open. Returns
    /// whether they are closed.
    pub(super) fn close_if_left_alone(&self, queue: &ViewQueue) -> bool {
        let idle_ms = self.idle_ms();
        if idle_ms >= LEFT_ALONE_MAX.as_millis() as u64 { self.close_if_idle(queue) } else { !self.is_open() }
    }

    /// Time since the last use, in milliseconds.
    pub(super) fn idle_ms(&self) -> u64 {
        match self.used_ms.load(Ordering::Relaxed) {
            0 => u64::MAX,
            used_ms => self.now_ms().saturating_sub(used_ms),
        }
    }

    /// Closes the views unless they have something to fold, or a thread uses them. Returns whether they are closed.
    pub(super) fn close_if_idle(&self, queue: &ViewQueue) -> bool {
        let wanted = self.wanted();
        // No thread can get them from here on. Those that have got them before are counted.
        let Some(open) = self.open.swap(None) else { return true };
        if !open.are_idle() || Arc::strong_count(&open) > 1 {
            self.open.store(Some(open));
            return false;
        }
        let reached = *self.tenant.positions.borrow();
        // A thread that got the open views just before may still fold. Waiting for it ensures that a view is never
        // folded by two threads.
        open.end();
        drop(wanted);
        if open.are_behind(reached.max(*self.tenant.positions.borrow())) {
            // Events that arrived meanwhile have woken feeds that have ended.
            queue.open(&self.tenant, &self.queued);
        }
        true
    }

    /// Applies new limits: parked events may be accepted now, and views that were full may have room.
    pub(super) fn limits_changed(&self, queue: &ViewQueue) {
        match self.opened() {
            Some(open) => open.retry(queue),
            None => queue.open(&self.tenant, &self.queued),
        }
    }

    /// Removes a file that is unusable, so that the views are rebuilt from the journal. Does nothing if this was done
    /// since `damaged` was opened.
    pub(super) fn make_anew(&self, damaged: &Arc<OpenViews>) -> Result<(), ViewsError> {
        let wanted = self.wanted();
        if self.open.load().as_ref().is_none_or(|open| !Arc::ptr_eq(open, damaged)) {
            return Ok(());
        }
        tracing::error!(tenant = %self.tenant.name, "the file of the read models is damaged or gone; they are rebuilt");
        self.open.store(None);
        damaged.end();
        remove_files(&self.path).map_err(|error| self.failed(error))?;
        drop(wanted);
        Ok(())
    }

    /// Ends the feeds and removes the files.
    pub(super) fn remove(&self) -> std::io::Result<()> {
        let mut wanted = self.wanted();
        wanted.clear();
        if let Some(open) = self.open.swap(None) {
            open.end();
        }
        remove_files(&self.path)
    }

    fn feed(&self, open: &OpenViews, queue: &ViewQueue) {
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
        let open = match self.try_open(wanted) {
            Err(error) if error.is_damage() => {
                let tenant = &self.tenant.name;
                tracing::error!(%tenant, %error, "the file of the read models is unusable; they are rebuilt");
                remove_files(&self.path).map_err(|error| self.failed(error))?;
                self.try_open(wanted)
            }
            opened => opened,
        };
        let open = Arc::new(open.map_err(|error| self.failed(error))?);
        self.open.store(Some(Arc::clone(&open)));
        Ok(open)
    }

    fn try_open(&self, wanted: &Wanted) -> Result<OpenViews, OpenViewsError> {
        let open = OpenViews::open(&self.path, &self.tenant, &self.reader)?;
        for component in wanted.values() {
            open.activate(&self.tenant, component, &*self.restore, None)?;
        }
        Ok(open)
    }

    fn not_fed(&self, error: &ViewsError) -> Turned {
        tracing::error!(%error, "a tenant's views cannot be opened; the host will try again");
        Turned::Stuck
    }

    pub(super) fn failed(&self, error: impl std::fmt::Display) -> ViewsError {
        ViewsError { tenant: self.tenant.name.clone(), problem: error.to_string() }
    }

    pub(super) fn used(&self) {
        self.used_ms.store(self.now_ms(), Ordering::Relaxed);
    }

    /// The time since `began`, starting at 1, because 0 stands for never.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }

    fn wanted(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the file and the files that SQLite keeps beside it.
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

#[cfg(test)]
mod tests {
    use polder_core::Limits;
    use polder_journal::{Journal, OpenOptions};

    use super::*;
    use crate::tenancy::Terms;

    #[test]
    fn views_that_a_thread_uses_are_not_closed() {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
        let terms = Terms { limits: Limits::DEFAULT, is_suspended: false };
        let tenant = Tenant::new(TenantName::new("main").unwrap(), terms, &reader);
        let restore: Arc<Restore> = Arc::new(|_| None);
        let views = Arc::new(TenantViews::new(tenant, folder.path().join("main.sqlite"), restore, reader));
        let queue = ViewQueue::default();
        let used = views.open(&queue).unwrap();
        assert!(!views.close_if_idle(&queue) && views.is_open());
        drop(used);
        assert!(views.close_if_idle(&queue) && !views.is_open());
    }
}
