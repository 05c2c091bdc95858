//! Gives tasks their turns: a small pool of threads for the fast lane, one thread for the slow lane, and a queue for
//! each, fair between owners by CPU time. A task with nothing to do costs nothing. A task that cannot continue is
//! retried after a while. What a task is, and what its turn does, is up to the caller.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use polder_sandbox::{CpuTime, Interrupt};

use crate::fair_turns::FairTurns;
use crate::priority;

/// Pause after a turn that made no progress.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Time that a running turn counts until its end, in nanoseconds.
const EXPECTED_NS: u64 = 20_000_000;

/// See [`Task::owner`].
type Owner = usize;

/// Work that continues turn after turn until it is done.
pub(crate) trait Task: Sized + Send + 'static {
    /// What all tasks of a queue share.
    type Shared: Default + Send + Sync;

    /// What its CPU time is counted for, by its address; 0 for the host's own work.
    fn owner(&self) -> usize;

    /// The lane of the next turn.
    fn lane(&self) -> Lane;

    /// The name of the task in the log.
    fn name(&self) -> &str;

    /// Called after the turn that left nothing to do. May queue the task again.
    fn done(self, queue: &Queue<Self>);
}

/// The threads that a turn runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    Fast,
    Slow,
}

/// Result of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turned {
    More,
    /// The task continues after this time.
    Later(Duration),
    Done,
    /// The task made no progress, and is tried again after a while.
    Stuck,
}

pub(crate) struct Scheduler<T: Task> {
    queue: Arc<Queue<T>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The tasks of both lanes, and the threads that wait for them.
pub(crate) struct Queue<T: Task> {
    tasks: Mutex<Tasks<T>>,
    /// Signals a task on the fast lane, or a new time to wait for.
    changed: Condvar,
    slow_changed: Condvar,
    /// Ends the guest calls of all turns.
    stopping: Interrupt,
    shared: T::Shared,
}

struct Tasks<T> {
    fast: FairTurns<Owner, T>,
    slow: FairTurns<Owner, T>,
    later: Vec<(Instant, T)>,
    /// Tasks to run when there are no others.
    unhurried: VecDeque<T>,
}

impl<T: Task> Scheduler<T> {
    /// Starts the threads, which have this name and a number. `turn` runs one turn of a task.
    pub(crate) fn start(
        name: &str,
        threads: usize,
        turn: impl Fn(&Queue<T>, &T, Lane) -> Turned + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (queue, turn) = (Arc::new(Queue::default()), Arc::new(turn));
        let spawn = |name: String, lane| {
            let (queue, turn) = (Arc::clone(&queue), Arc::clone(&turn));
            thread::Builder::new().name(name).spawn(move || queue.run(&*turn, lane))
        };
        let fast = (0..threads.max(1)).map(|number| spawn(format!("{name}-{number}"), Lane::Fast));
        let slow = std::iter::once_with(|| spawn(format!("{name}-slow"), Lane::Slow));
        let threads = fast.chain(slow).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { queue, threads: Mutex::new(threads) })
    }

    pub(crate) fn queue(&self) -> &Queue<T> {
        &self.queue
    }

    /// Ends the guest calls of running turns, without waiting for it. No further turn begins. Tasks that wait are
    /// dropped with the queue.
    pub(crate) fn begin_stop(&self) {
        self.queue.stopping.set();
        drop(self.queue.lock());
        self.queue.changed.notify_all();
        self.queue.slow_changed.notify_all();
    }

    /// Does what [`begin_stop`](Self::begin_stop) does, and blocks until the threads have ended.
    pub(crate) fn stop(&self) {
        self.begin_stop();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                tracing::error!(name, "a thread of a scheduler had panicked");
            }
        }
    }
}

impl<T: Task> Queue<T> {
    pub(crate) fn push(&self, task: T) {
        self.make_ready(&mut self.lock(), task);
    }

    /// Queues a task to run when there are no others.
    pub(crate) fn push_unhurried(&self, task: T) {
        self.lock().unhurried.push_back(task);
        self.changed.notify_one();
    }

    /// Queues a task to run after this time.
    pub(crate) fn put_off(&self, task: T, wait: Duration) {
        self.lock().later.push((Instant::now() + wait, task));
        // A sleeping thread has to learn of the new deadline. The task may belong to either lane.
        self.changed.notify_one();
    }

    /// Lets a postponed task run at once.
    pub(crate) fn bring_forward(&self, which: impl Fn(&T) -> bool) {
        let mut tasks = self.lock();
        if let Some(place) = tasks.later.iter().position(|(_, task)| which(task)) {
            let (_, task) = tasks.later.swap_remove(place);
            self.make_ready(&mut tasks, task);
        }
    }

    pub(crate) fn unhurried_count(&self) -> usize {
        self.lock().unhurried.len()
    }

    pub(crate) fn shared(&self) -> &T::Shared {
        &self.shared
    }

    /// Decides how a task continues after its turn.
    pub(crate) fn after(&self, task: T, turned: Turned) {
        match turned {
            Turned::More => self.push(task),
            Turned::Later(wait) => self.put_off(task, wait),
            Turned::Stuck => self.put_off(task, RETRY_AFTER),
            Turned::Done => task.done(self),
        }
    }

    fn make_ready(&self, tasks: &mut Tasks<T>, task: T) {
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

    fn run(&self, turn: &dyn Fn(&Self, &T, Lane) -> Turned, lane: Lane) {
        if lane == Lane::Slow {
            // Not the idle priority: this thread shares locks with the fast lane, those of this queue and those of what
            // the tasks work on. At idle priority a busy machine could pause it inside one of them for good.
            priority::stand_back();
        }
        let next = || match lane {
            Lane::Fast => self.next(),
            Lane::Slow => self.next_slow(),
        };
        while let Some((owner, task)) = next() {
            let cpu_time = CpuTime::now();
            let turned = catch_unwind(AssertUnwindSafe(|| self.stopping.scope(|| turn(self, &task, lane))));
            let turned = turned.unwrap_or_else(|_| {
                tracing::error!(of = task.name(), "a turn panicked; it will be tried again");
                Turned::Stuck
            });
            self.lock().turns(lane).finished(&owner, cpu_time.elapsed_ns());
            self.after(task, turned);
        }
    }

    fn next_slow(&self) -> Option<(Owner, T)> {
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
    fn next(&self) -> Option<(Owner, T)> {
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

    fn lock(&self) -> MutexGuard<'_, Tasks<T>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Task> Default for Queue<T> {
    fn default() -> Self {
        let (tasks, changed, slow_changed, stopping, shared) = Default::default();
        Self { tasks, changed, slow_changed, stopping, shared }
    }
}

impl<T> Default for Tasks<T> {
    fn default() -> Self {
        let turns = || FairTurns::new(usize::MAX, EXPECTED_NS);
        Self { fast: turns(), slow: turns(), later: Vec::new(), unhurried: VecDeque::new() }
    }
}

impl<T: Task> Tasks<T> {
    fn next(&mut self) -> Option<(Owner, T)> {
        if let Some(next) = self.fast.pop() {
            return Some(next);
        }
        let task = self.unhurried.pop_front()?;
        let owner = task.owner();
        self.fast.begin(&owner);
        Some((owner, task))
    }

    fn turns(&mut self, lane: Lane) -> &mut FairTurns<Owner, T> {
        match lane {
            Lane::Fast => &mut self.fast,
            Lane::Slow => &mut self.slow,
        }
    }

    /// The postponed tasks that are due.
    fn due(&mut self, now: Instant) -> Vec<T> {
        self.later.extract_if(.., |(at, _)| *at <= now).map(|(_, task)| task).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    #[derive(Debug, PartialEq, Eq)]
    enum Step {
        Turn(Lane),
        Done,
    }

    struct Errand(Lane, Sender<Step>);

    impl Task for Errand {
        type Shared = ();

        fn owner(&self) -> usize {
            0
        }

        fn lane(&self) -> Lane {
            self.0
        }

        fn name(&self) -> &str {
            "errand"
        }

        fn done(self, _: &Queue<Self>) {
            self.1.send(Step::Done).unwrap();
        }
    }

    /// The steps of a task that is done after this many turns.
    fn steps(lane: Lane, turns: u32, queue: impl FnOnce(&Queue<Errand>, Errand)) -> Vec<Step> {
        let ((to, steps), had) = (channel(), AtomicU32::new(0));
        let scheduler = Scheduler::start("test", 1, move |_, Errand(_, to): &Errand, lane| {
            to.send(Step::Turn(lane)).unwrap();
            if had.fetch_add(1, Ordering::Relaxed) + 1 < turns { Turned::More } else { Turned::Done }
        });
        let scheduler = scheduler.unwrap();
        queue(scheduler.queue(), Errand(lane, to));
        // The channel closes when the task is dropped.
        let steps = steps.iter().collect();
        scheduler.stop();
        steps
    }

    #[test]
    fn a_task_has_turns_on_its_lane_until_it_is_done() {
        for lane in [Lane::Fast, Lane::Slow] {
            let expected = [Step::Turn(lane), Step::Turn(lane), Step::Done];
            assert_eq!(steps(lane, 2, Queue::push), expected);
        }
        assert_eq!(steps(Lane::Fast, 1, Queue::push_unhurried), [Step::Turn(Lane::Fast), Step::Done]);
    }

    #[test]
    fn a_postponed_task_can_be_brought_forward() {
        let put_off = |queue: &Queue<Errand>, errand: Errand| {
            queue.put_off(errand, Duration::from_secs(3_600));
            queue.bring_forward(|_| true);
        };
        assert_eq!(steps(Lane::Fast, 1, put_off), [Step::Turn(Lane::Fast), Step::Done]);
    }
}
