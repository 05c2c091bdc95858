//! Gives the feeds their turns: a small pool of threads for the fast lane, one thread for the slow lane, and a fair
//! queue for each. A feed with nothing to do costs nothing. A feed that cannot continue is retried after a while.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use polder_sandbox::{CpuTime, Interrupt};

use super::allowance::Lane;
use super::slot::FeedSlot;
use super::tenant_views::TenantViews;
use crate::fair_turns::FairTurns;
use crate::priority;

/// Pause after a turn that made no progress.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A view that has caught up and that no reader waits for collects the events of this period and folds them in one
/// turn, because a transaction costs as much as dozens of events.
const COLLECTING: Duration = Duration::from_millis(20);

/// Time that a running turn counts until its end, in nanoseconds.
const EXPECTED_NS: u64 = 20_000_000;

/// A tenant, by its address; 0 for the host's own work.
type Owner = usize;

pub(super) struct Scheduler {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The tasks of both lanes, and the threads that wait for them.
#[derive(Default)]
pub(super) struct Queue {
    tasks: Mutex<Tasks>,
    /// Signals a task on the fast lane, or a new time to wait for.
    changed: Condvar,
    slow_changed: Condvar,
    is_sweeping: AtomicBool,
    /// Ends the guest calls of all turns.
    stopping: Interrupt,
}

struct Tasks {
    fast: FairTurns<Owner, Task>,
    slow: FairTurns<Owner, Task>,
    later: Vec<(Instant, Task)>,
    /// Tasks to run when there are no others.
    unhurried: VecDeque<Task>,
}

#[derive(Clone)]
pub(super) enum Task {
    Feed(Arc<FeedSlot>),
    /// New events have arrived for views that are closed.
    Open(Arc<TenantViews>),
    /// Checks views after the start, because they may have missed events.
    Look(Arc<TenantViews>),
    /// Closes views that are not used.
    Sweep,
}

/// Result of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    More,
    /// The task continues after this time.
    Later(Duration),
    Done,
    /// Nothing is left to do, and no reader waits for more.
    Unhurried,
    Stuck,
    /// The file of the read models is unusable.
    Damaged,
}

impl Scheduler {
    pub(super) fn start(
        threads: usize,
        turn: impl Fn(&Queue, &Task, Lane) -> Turned + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (queue, turn) = (Arc::new(Queue::default()), Arc::new(turn));
        let spawn = |name: String, lane| {
            let (queue, turn) = (Arc::clone(&queue), Arc::clone(&turn));
            thread::Builder::new().name(name).spawn(move || queue.run(&*turn, lane))
        };
        let fast = (0..threads.max(1)).map(|number| spawn(format!("projections-{number}"), Lane::Fast));
        let slow = std::iter::once_with(|| spawn("projections-slow".to_owned(), Lane::Slow));
        let threads = fast.chain(slow).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { queue, threads: Mutex::new(threads) })
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Ends the guest calls of running turns, without waiting for it. No further turn begins. Unwritten changes are
    /// folded again at the next start.
    pub(super) fn begin_stop(&self) {
        self.queue.stopping.set();
        drop(self.queue.lock());
        self.queue.changed.notify_all();
        self.queue.slow_changed.notify_all();
    }

    /// Does what [`begin_stop`](Self::begin_stop) does, and blocks until the threads have ended.
    pub(super) fn stop(&self) {
        self.begin_stop();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the projections had panicked");
            }
        }
    }
}

impl Queue {
    /// Queues a feed that may have something to do. Cheap if it is queued already.
    pub(super) fn wake(&self, feed: &Arc<FeedSlot>) {
        if !feed.queued.swap(true, Ordering::SeqCst) {
            self.push(Task::Feed(Arc::clone(feed)));
        }
    }

    /// Runs a postponed feed at once, because a reader waits for its view.
    pub(super) fn hurry(&self, feed: &Arc<FeedSlot>) {
        let mut tasks = self.lock();
        let is_it = |task: &Task| matches!(task, Task::Feed(other) if Arc::ptr_eq(feed, other));
        if let Some(place) = tasks.later.iter().position(|(_, task)| is_it(task)) {
            let (_, task) = tasks.later.swap_remove(place);
            self.make_ready(&mut tasks, task);
        }
    }

    pub(super) fn open(&self, views: &Arc<TenantViews>) {
        if !views.queued.swap(true, Ordering::SeqCst) {
            self.push(Task::Open(Arc::clone(views)));
        }
    }

    pub(super) fn look(&self, views: Arc<TenantViews>) {
        self.lock().unhurried.push_back(Task::Look(views));
        self.changed.notify_one();
    }

    pub(super) fn unseen_count(&self) -> usize {
        self.lock().unhurried.len()
    }

    pub(super) fn sweep(&self) {
        if !self.is_sweeping.swap(true, Ordering::SeqCst) {
            self.lock().later.push((Instant::now() + RETRY_AFTER, Task::Sweep));
            self.changed.notify_one();
        }
    }

    /// Decides how a task continues after its turn.
    pub(super) fn after(&self, task: Task, turned: Turned) {
        match turned {
            Turned::More => self.push(task),
            Turned::Later(wait) => self.put_off(task, wait),
            Turned::Stuck | Turned::Damaged => self.put_off(task, RETRY_AFTER),
            Turned::Unhurried => self.put_off(task, COLLECTING),
            Turned::Done => match &task {
                Task::Feed(feed) => {
                    // A feed counts as queued during its turn, so that only one thread works on it. Events that arrived
                    // since its last check have not queued it, so check once more after lowering the flag.
                    feed.queued.store(false, Ordering::SeqCst);
                    if feed.is_behind() {
                        self.wake(feed);
                    }
                }
                Task::Open(views) => views.queued.store(false, Ordering::SeqCst),
                Task::Look(_) => {}
                Task::Sweep => self.is_sweeping.store(false, Ordering::SeqCst),
            },
        }
    }

    /// Postpones a task. It counts as queued meanwhile, so that new events do not queue it again.
    fn put_off(&self, task: Task, wait: Duration) {
        self.lock().later.push((Instant::now() + wait, task));
        // A sleeping thread has to learn of the new deadline. The task may belong to either lane.
        self.changed.notify_one();
    }

    fn push(&self, task: Task) {
        self.make_ready(&mut self.lock(), task);
    }

    fn make_ready(&self, tasks: &mut Tasks, task: Task) {
        let owner = task.owner();
        match task.lane() {
            Lane::Fast => {
                tasks.fast.push(&owner, task);
                self.changed.notify_one();
            }
            Lane::Slow => {
                tasks.slow.push(&owner, task);
                self.slow_changed.notify_one();
            }
        }
    }

    fn run(&self, turn: &dyn Fn(&Self, &Task, Lane) -> Turned, lane: Lane) {
        if lane == Lane::Slow {
            priority::give_way();
        }
        let next = || match lane {
            Lane::Fast => self.next(),
            Lane::Slow => self.next_slow(),
        };
        while let Some((owner, task)) = next() {
            let cpu_time = CpuTime::now();
            let turned = catch_unwind(AssertUnwindSafe(|| self.stopping.scope(|| turn(self, &task, lane))));
            let turned = turned.unwrap_or_else(|_| {
                tracing::error!(of = task.name(), "a turn of the projections panicked; it will be tried again");
                Turned::Stuck
            });
            self.lock().turns(lane).finished(&owner, cpu_time.elapsed_ns());
            self.after(task, turned);
        }
    }

    fn next_slow(&self) -> Option<(Owner, Task)> {
        let mut tasks = self.lock();
        loop {
            if self.stopping.is_set() {
                return None;
            }
            if let Some(task) = tasks.slow.pop() {
                return Some(task);
            }
            tasks = self.slow_changed.wait(tasks).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for a task; returns `None` when the scheduler stops.
    fn next(&self) -> Option<(Owner, Task)> {
        let mut tasks = self.lock();
        loop {
            if self.stopping.is_set() {
                return None;
            }
            let now = Instant::now();
            for task in tasks.due(now) {
                self.make_ready(&mut tasks, task);
            }
            if let Some(task) = tasks.next() {
                if !tasks.later.is_empty() {
                    // While this thread works, another one must watch the times of postponed tasks.
                    self.changed.notify_one();
                }
                return Some(task);
            }
            tasks = match tasks.later.iter().map(|(at, _)| *at).min() {
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    self.changed.wait_timeout(tasks, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(tasks).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Tasks {
    fn default() -> Self {
        let turns = || FairTurns::new(usize::MAX, EXPECTED_NS);
        Self { fast: turns(), slow: turns(), later: Vec::new(), unhurried: VecDeque::new() }
    }
}

impl Tasks {
    fn next(&mut self) -> Option<(Owner, Task)> {
        if let Some(next) = self.fast.pop() {
            return Some(next);
        }
        let task = self.unhurried.pop_front()?;
        let owner = task.owner();
        self.fast.begin(&owner);
        Some((owner, task))
    }

    fn turns(&mut self, lane: Lane) -> &mut FairTurns<Owner, Task> {
        match lane {
            Lane::Fast => &mut self.fast,
            Lane::Slow => &mut self.slow,
        }
    }

    /// The postponed tasks that are due.
    fn due(&mut self, now: Instant) -> Vec<Task> {
        self.later.extract_if(.., |(at, _)| *at <= now).map(|(_, task)| task).collect()
    }
}

impl Task {
    fn owner(&self) -> Owner {
        match self {
            Self::Feed(feed) => Arc::as_ptr(&feed.tenant).addr(),
            Self::Open(views) | Self::Look(views) => Arc::as_ptr(&views.tenant).addr(),
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
            Self::Open(views) | Self::Look(views) => views.tenant.name.as_str(),
            Self::Sweep => "sweep",
        }
    }
}
