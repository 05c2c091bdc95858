//! The threads that reads run on: a few for short reads, which only commands precede, and two of the lowest priority
//! for long ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use polder_core::{MemoryBudget, TenantName};
use polder_sandbox::CpuTime;

use super::time_slice::{FAST_SLICE_MS, Lane, ReadTurn, SLOW_SLICE_MS};
use crate::fair_turns::FairTurns;
use crate::priority;

/// Threads for reads that end within a slice.
const FAST_THREADS: usize = 3;
/// Fast threads that one tenant may occupy at a time.
const FAST_PER_TENANT_MAX: usize = 2;
/// Threads of the lowest priority, for reads that take longer.
const SLOW_THREADS: usize = 2;
/// Slow threads that one tenant may occupy at a time.
const SLOW_PER_TENANT_MAX: usize = 1;
const NS_PER_MS: u64 = 1_000_000;

pub(super) struct Task {
    pub(super) tenant: TenantName,
    /// Set when the client is gone. Each read has its own flag, so the flag also identifies the read.
    pub(super) is_gone: Arc<AtomicBool>,
    /// Set when the read has had its first turn.
    pub(super) has_begun: Arc<AtomicBool>,
    /// CPU time of its turns so far, in nanoseconds.
    pub(super) used_ns: u64,
    pub(super) run: Run,
}

/// Runs the read for one turn. Returns `true` when the read has ended; then it is answered, if it has an answer.
pub(super) type Run = Box<dyn FnMut(&ReadTurn<'_>) -> bool + Send>;

pub(super) struct Lanes {
    queues: Mutex<Queues>,
    fast: Condvar,
    slow: Condvar,
    memory: MemoryBudget,
    /// Counts the reads that were moved to the slow lane or started there.
    pub(super) slow_count: AtomicU64,
}

struct Queues {
    fast: FairTurns<TenantName, Task>,
    slow: FairTurns<TenantName, Task>,
    /// The flags of the reads that have a turn now.
    running: Vec<Arc<AtomicBool>>,
    is_stopping: bool,
}

impl Queues {
    fn of(&mut self, lane: Lane) -> &mut FairTurns<TenantName, Task> {
        match lane {
            Lane::Fast => &mut self.fast,
            Lane::Slow => &mut self.slow,
        }
    }
}

impl Lanes {
    pub(super) fn new(memory: MemoryBudget) -> Self {
        let fast = FairTurns::new(FAST_PER_TENANT_MAX, FAST_SLICE_MS * NS_PER_MS);
        let slow = FairTurns::new(SLOW_PER_TENANT_MAX, SLOW_SLICE_MS * NS_PER_MS);
        Self {
            queues: Mutex::new(Queues { fast, slow, running: Vec::new(), is_stopping: false }),
            fast: Condvar::new(),
            slow: Condvar::new(),
            memory,
            slow_count: AtomicU64::new(0),
        }
    }

    pub(super) fn start(self: &Arc<Self>) -> std::io::Result<Vec<JoinHandle<()>>> {
        let mut threads = Vec::new();
        for (lane, name, count) in [(Lane::Fast, "read", FAST_THREADS), (Lane::Slow, "slow-read", SLOW_THREADS)] {
            for number in 0..count {
                let lanes = Arc::clone(self);
                let thread = thread::Builder::new().name(format!("{name}-{number}"));
                threads.push(thread.spawn(move || lanes.serve(lane))?);
            }
        }
        Ok(threads)
    }

    /// Queues a task. Once the lanes stop, the task is dropped instead, and its caller sees a closed channel.
    pub(super) fn push(&self, lane: Lane, task: Task) {
        if lane == Lane::Slow {
            self.slow_count.fetch_add(1, Ordering::Relaxed);
        }
        let mut queues = self.lock();
        if !queues.is_stopping {
            let tenant = task.tenant.clone();
            queues.of(lane).push(&tenant, task);
            self.signal(lane).notify_one();
        }
    }

    /// Removes a read whose caller is gone from the queues.
    pub(super) fn forget(&self, tenant: &TenantName, is_gone: &Arc<AtomicBool>) {
        let is_it = |task: &Task| Arc::ptr_eq(&task.is_gone, is_gone);
        let mut queues = self.lock();
        let forgotten = queues.fast.remove(tenant, is_it).or_else(|| queues.slow.remove(tenant, is_it));
        drop(queues);
        // The task may own a guest's memory, which takes time to unmap, so it is dropped outside the lock.
        drop(forgotten);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.lock().is_stopping
    }

    /// Drops the waiting reads. Running reads end at their next step.
    pub(super) fn stop(&self) {
        let mut queues = self.lock();
        queues.is_stopping = true;
        queues.running.iter().for_each(|is_gone| is_gone.store(true, Ordering::Relaxed));
        let waiting = [queues.fast.drain(), queues.slow.drain()];
        drop(queues);
        self.fast.notify_all();
        self.slow.notify_all();
        drop(waiting);
    }

    fn serve(&self, lane: Lane) {
        match lane {
            Lane::Fast => priority::yield_to_commands(),
            Lane::Slow => priority::stand_back(),
        }
        let mut queues = self.lock();
        while !queues.is_stopping {
            let Some((tenant, mut task)) = queues.of(lane).pop() else {
                queues = self.signal(lane).wait(queues).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let is_gone = Arc::clone(&task.is_gone);
            queues.running.push(Arc::clone(&is_gone));
            drop(queues);
            let (is_over, used_ns) = self.run(lane, &mut task);
            task.used_ns += used_ns;
            let over = if is_over { Some(task) } else { self.go_on_later(lane, task) };
            // Dropped outside the lock, as in `forget`.
            drop(over);
            queues = self.lock();
            queues.running.retain(|running| !Arc::ptr_eq(running, &is_gone));
            queues.of(lane).finished(&tenant, used_ns);
        }
    }

    fn run(&self, lane: Lane, task: &mut Task) -> (bool, u64) {
        if task.is_gone.load(Ordering::Relaxed) {
            return (true, 0);
        }
        task.has_begun.store(true, Ordering::Relaxed);
        let cpu_time = CpuTime::now();
        let (is_gone, used_ns, memory) = (&task.is_gone, task.used_ns, &self.memory);
        let turn = ReadTurn { lane, is_gone, cpu_time: CpuTime::now(), used_ns, memory };
        // A panic must not end the thread, because all other reads would wait longer. The task is dropped without an
        // answer, so the caller sees a closed channel.
        let is_over = catch_unwind(AssertUnwindSafe(|| (task.run)(&turn))).unwrap_or(true);
        (is_over, cpu_time.elapsed_ns())
    }

    /// Queues the task for its next turn. Returns it when the lanes stop.
    fn go_on_later(&self, lane: Lane, task: Task) -> Option<Task> {
        if lane == Lane::Fast {
            self.slow_count.fetch_add(1, Ordering::Relaxed);
        }
        let mut queues = self.lock();
        if queues.is_stopping {
            return Some(task);
        }
        let tenant = task.tenant.clone();
        match lane {
            // On the slow lane it starts with the full limits of the tenant.
            Lane::Fast => queues.slow.push(&tenant, task),
            // Before the tenant's other reads, because a read that has begun holds memory.
            Lane::Slow => queues.slow.push_first(&tenant, task),
        }
        self.slow.notify_one();
        None
    }

    fn signal(&self, lane: Lane) -> &Condvar {
        match lane {
            Lane::Fast => &self.fast,
            Lane::Slow => &self.slow,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
