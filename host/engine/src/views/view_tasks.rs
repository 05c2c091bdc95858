//! The tasks of the views, and how they are queued. A feed is queued at most once, and so are the opening of a tenant's
//! views and the sweep: a flag of each says that it waits or has a turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::slot::FeedSlot;
use crate::scheduler::{Lane, Queue, Task};
use crate::tenancy::Tenant;

/// Interval between two sweeps.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(1);

pub(super) type ViewQueue = Queue<ViewTask>;

pub(super) enum ViewTask {
    Feed(Arc<FeedSlot>),
    /// New events have arrived for the tenant's views, which are closed.
    Open {
        tenant: Arc<Tenant>,
        queued: Arc<AtomicBool>,
    },
    /// Checks the tenant's views after the start, because they may have missed events.
    Look(Arc<Tenant>),
    /// Closes views that are not used.
    Sweep,
}

#[derive(Default)]
pub(super) struct Sweeping {
    is_queued: AtomicBool,
}

impl Task for ViewTask {
    type Shared = Sweeping;

    fn owner(&self) -> usize {
        match self {
            Self::Feed(feed) => Arc::as_ptr(&feed.tenant).addr(),
            Self::Open { tenant, .. } | Self::Look(tenant) => Arc::as_ptr(tenant).addr(),
            Self::Sweep => 0,
        }
    }

    fn lane(&self) -> Lane {
        match self {
            Self::Feed(feed) if feed.lane_policy.is_slow() => Lane::Slow,
            _ => Lane::Fast,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Feed(feed) => feed.view.projection.as_str(),
            Self::Open { tenant, .. } | Self::Look(tenant) => tenant.name.as_str(),
            Self::Sweep => "sweep",
        }
    }

    fn done(self, queue: &ViewQueue) {
        match self {
            Self::Feed(feed) => {
                // A feed counts as queued during its turn, so that only one thread works on it. Events that arrived
                // since its last check have not queued it, so check once more after lowering the flag.
                feed.queued.store(false, Ordering::SeqCst);
                if feed.is_behind() {
                    queue.wake(&feed);
                }
            }
            Self::Open { queued, .. } => queued.store(false, Ordering::SeqCst),
            Self::Look(_) => {}
            Self::Sweep => queue.shared().is_queued.store(false, Ordering::SeqCst),
        }
    }
}

impl ViewQueue {
    /// Queues a feed that may have something to do. Cheap if it is queued already.
    pub(super) fn wake(&self, feed: &Arc<FeedSlot>) {
        if !feed.queued.swap(true, Ordering::SeqCst) {
            self.push(ViewTask::Feed(Arc::clone(feed)));
        }
    }

    /// Runs a postponed feed at once, because a reader waits for its view.
    pub(super) fn hurry(&self, feed: &Arc<FeedSlot>) {
        self.bring_forward(|task| matches!(task, ViewTask::Feed(other) if Arc::ptr_eq(feed, other)));
    }

    /// Queues the opening of the tenant's views. `queued` is their flag for this.
    pub(super) fn open(&self, tenant: &Arc<Tenant>, queued: &Arc<AtomicBool>) {
        if !queued.swap(true, Ordering::SeqCst) {
            self.push(ViewTask::Open { tenant: Arc::clone(tenant), queued: Arc::clone(queued) });
        }
    }

    pub(super) fn look(&self, tenant: &Arc<Tenant>) {
        self.push_unhurried(ViewTask::Look(Arc::clone(tenant)));
    }

    pub(super) fn sweep(&self) {
        if !self.shared().is_queued.swap(true, Ordering::SeqCst) {
            self.put_off(ViewTask::Sweep, SWEEP_EVERY);
        }
    }
}
