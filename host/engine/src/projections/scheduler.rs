//! Gives the feeds their turns: a small pool of threads, one queue, first come first served. A feed that has nothing to do
//! costs nothing; one that cannot go on is tried again after a while.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::slot::FeedSlot;

/// After a turn that got nowhere.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) struct Scheduler {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    is_stopping: AtomicBool,
}

#[derive(Default)]
struct Queue {
    ready: VecDeque<Arc<FeedSlot>>,
    later: Vec<(Instant, Arc<FeedSlot>)>,
}

/// How a turn went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    More,
    Done,
    Stuck,
}

impl Scheduler {
    pub(super) fn start(
        threads: usize,
        turn: impl Fn(&Arc<FeedSlot>) -> Turned + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (shared, turn) = (Arc::new(Shared::default()), Arc::new(turn));
        let spawn = |number| {
            let (shared, turn) = (Arc::clone(&shared), Arc::clone(&turn));
            thread::Builder::new().name(format!("projections-{number}")).spawn(move || shared.run(&*turn))
        };
        let threads = (0..threads.max(1)).map(spawn).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { shared, threads: Mutex::new(threads) })
    }

    /// The feed may have something to do. Cheap when it is queued already.
    pub(super) fn wake(&self, feed: &Arc<FeedSlot>) {
        if !feed.queued.swap(true, Ordering::SeqCst) {
            self.shared.lock().ready.push_back(Arc::clone(feed));
            self.shared.changed.notify_one();
        }
    }

    /// Turns under way are finished.
    pub(super) fn stop(&self) {
        self.shared.is_stopping.store(true, Ordering::Release);
        drop(self.shared.lock());
        self.shared.changed.notify_all();
        for thread in self.threads.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the projections had panicked");
            }
        }
    }
}

impl Shared {
    fn run(&self, turn: &dyn Fn(&Arc<FeedSlot>) -> Turned) {
        while let Some(feed) = self.next() {
            let turned = catch_unwind(AssertUnwindSafe(|| turn(&feed))).unwrap_or_else(|_| {
                tracing::error!(projection = %feed.view.projection, "a turn of a projection panicked; it is tried again");
                Turned::Stuck
            });
            match turned {
                Turned::More => self.lock().ready.push_back(feed),
                Turned::Stuck => self.lock().later.push((Instant::now() + RETRY_AFTER, feed)),
                Turned::Done => {
                    // A feed counts as queued during its turn, so that one thread at a time has it. What arrived since
                    // its last look has woken nobody, so look once more after lowering the flag.
                    feed.queued.store(false, Ordering::SeqCst);
                    if feed.is_behind() && !feed.queued.swap(true, Ordering::SeqCst) {
                        self.lock().ready.push_back(feed);
                    }
                }
            }
        }
    }

    /// Waits for a feed; `None` when the scheduler stops.
    fn next(&self) -> Option<Arc<FeedSlot>> {
        let mut queue = self.lock();
        loop {
            if self.is_stopping.load(Ordering::Acquire) {
                return None;
            }
            let now = Instant::now();
            queue.promote(now);
            if let Some(feed) = queue.ready.pop_front() {
                return Some(feed);
            }
            queue = match queue.later.iter().map(|(at, _)| *at).min() {
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    self.changed.wait_timeout(queue, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn promote(&mut self, now: Instant) {
        let mut index = 0;
        while index < self.later.len() {
            if self.later[index].0 <= now {
                let (_, feed) = self.later.swap_remove(index);
                self.ready.push_back(feed);
            } else {
                index += 1;
            }
        }
    }
}
