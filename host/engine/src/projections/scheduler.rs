//! Gives the feeds their turns: a small pool of threads, one queue, first come first served. A feed that has nothing to do
//! costs nothing; one that cannot go on is tried again after a while.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::slot::FeedSlot;
use super::tenant_views::TenantViews;

/// After a turn that got nowhere.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A view that has caught up and that nobody waits for folds what comes in this time in one turn: a transaction costs as much as
/// dozens of events.
const COLLECTING: Duration = Duration::from_millis(20);

pub(super) struct Scheduler {
    queue: Arc<Queue>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What is to be done, and who waits for it.
#[derive(Default)]
pub(super) struct Queue {
    tasks: Mutex<Tasks>,
    changed: Condvar,
    is_sweeping: AtomicBool,
    is_stopping: AtomicBool,
}

#[derive(Default)]
struct Tasks {
    ready: VecDeque<Task>,
    later: Vec<(Instant, Task)>,
    /// Done when nothing else is to do.
    unhurried: VecDeque<Task>,
}

#[derive(Clone)]
pub(super) enum Task {
    Feed(Arc<FeedSlot>),
    /// History has come for views that are closed.
    Open(Arc<TenantViews>),
    /// After the start: something may have been missed.
    Look(Arc<TenantViews>),
    /// Close what is left alone.
    Sweep,
}

/// How a turn went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    More,
    /// It goes on after this time.
    Later(Duration),
    Done,
    /// There is nothing left, and nobody waits for more.
    Unhurried,
    Stuck,
}

impl Scheduler {
    pub(super) fn start(
        threads: usize,
        turn: impl Fn(&Queue, &Task) -> Turned + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (queue, turn) = (Arc::new(Queue::default()), Arc::new(turn));
        let spawn = |number| {
            let (queue, turn) = (Arc::clone(&queue), Arc::clone(&turn));
            thread::Builder::new().name(format!("projections-{number}")).spawn(move || queue.run(&*turn))
        };
        let threads = (0..threads.max(1)).map(spawn).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { queue, threads: Mutex::new(threads) })
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Turns under way are finished.
    pub(super) fn stop(&self) {
        self.queue.is_stopping.store(true, Ordering::Release);
        drop(self.queue.lock());
        self.queue.changed.notify_all();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the projections had panicked");
            }
        }
    }
}

impl Queue {
    /// The feed may have something to do. Cheap when it is queued already.
    pub(super) fn wake(&self, feed: &Arc<FeedSlot>) {
        if !feed.queued.swap(true, Ordering::SeqCst) {
            self.push(Task::Feed(Arc::clone(feed)));
        }
    }

    /// Somebody waits for the view: it collects no longer.
    pub(super) fn hurry(&self, feed: &Arc<FeedSlot>) {
        let mut tasks = self.lock();
        let is_it = |task: &Task| matches!(task, Task::Feed(other) if Arc::ptr_eq(feed, other));
        if let Some(place) = tasks.later.iter().position(|(_, task)| is_it(task)) {
            let (_, task) = tasks.later.swap_remove(place);
            tasks.ready.push_back(task);
            drop(tasks);
            self.changed.notify_one();
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

    /// What becomes of a task after its turn.
    pub(super) fn after(&self, task: Task, turned: Turned) {
        match turned {
            Turned::More => self.push(task),
            Turned::Later(wait) => self.put_off(task, wait),
            Turned::Stuck => self.put_off(task, RETRY_AFTER),
            Turned::Unhurried => self.put_off(task, COLLECTING),
            Turned::Done => match &task {
                Task::Feed(feed) => {
                    // A feed counts as queued during its turn, so that one thread at a time has it. What arrived since
                    // its last look has woken nobody, so look once more after lowering the flag.
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

    /// It counts as queued meanwhile, so that what comes wakes nobody.
    fn put_off(&self, task: Task, wait: Duration) {
        self.lock().later.push((Instant::now() + wait, task));
    }

    fn push(&self, task: Task) {
        self.lock().ready.push_back(task);
        self.changed.notify_one();
    }

    fn run(&self, turn: &dyn Fn(&Self, &Task) -> Turned) {
        while let Some(task) = self.next() {
            let turned = catch_unwind(AssertUnwindSafe(|| turn(self, &task))).unwrap_or_else(|_| {
                tracing::error!(of = task.name(), "a turn of the projections panicked; it is tried again");
                Turned::Stuck
            });
            self.after(task, turned);
        }
    }

    /// Waits for a task; `None` when the scheduler stops.
    fn next(&self) -> Option<Task> {
        let mut tasks = self.lock();
        loop {
            if self.is_stopping.load(Ordering::Acquire) {
                return None;
            }
            let now = Instant::now();
            tasks.promote(now);
            if let Some(task) = tasks.next() {
                if !tasks.later.is_empty() {
                    // While this thread works, another has to watch the clock.
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

impl Tasks {
    fn next(&mut self) -> Option<Task> {
        self.ready.pop_front().or_else(|| self.unhurried.pop_front())
    }

    fn promote(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.later.len() {
            if self.later[index].0 <= now {
                let (_, task) = self.later.swap_remove(index);
                self.ready.push_back(task);
            } else {
                index += 1;
            }
        }
    }
}

impl Task {
    fn name(&self) -> &str {
        match self {
            Self::Feed(feed) => feed.view.projection.as_str(),
            Self::Open(views) | Self::Look(views) => views.tenant.name.as_str(),
            Self::Sweep => "sweep",
        }
    }
}
