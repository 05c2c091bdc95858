//! The way to the disk, shared by all workers. A worker passes its records to the appender and goes on deciding. The
//! appender's thread makes all records that have gathered durable, in one frame with one sync, and notifies the
//! workers. A worker with nothing else to do appends on its own thread. This saves waking another thread, which matters
//! next to the duration of a sync when there is only one caller.
//!
//! When there is no room for records, none of them is in the journal, and all decisions that were made on states
//! containing them must be refused too. `generation` counts such refusals, and each batch carries the generation in
//! which it was decided. Meanwhile the thread tries at intervals whether there is room again.
//!
//! When the key of a tenant cannot be used, only the records of that tenant are refused; the others of the same append
//! become durable. The tenant is out of service from then on, so its states need not be rebuilt.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use polder_core::Position;
use polder_journal::{AppendError, EncodedRecord, LogError, Writer};

use super::not_appended::{NO_KEY, NotAppended, with_causes};
use super::slots::{Slot, append_usable};

/// How long records wait for other workers that are still deciding, to share a sync with them. A sync costs as much as
/// deciding dozens of commands. Counted from the first record, so that no record waits longer than about one sync
/// before its own sync begins.
const GATHERING_MAX: Duration = Duration::from_micros(500);

/// Interval between two attempts to make room in a full journal.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

pub(crate) struct Appender {
    /// `None` once closed. Held during an append.
    writer: Mutex<Option<Writer>>,
    gathered: Mutex<Gathered>,
    /// Signals that the thread has something to do.
    changed: Condvar,
    halted: OnceLock<String>,
    /// Why the journal has no room at present, or `None` while it has.
    stalled: ArcSwapOption<NotAppended>,
    generation: AtomicU64,
}

#[derive(Default)]
struct Gathered {
    /// Batches in the order of their arrival, which is the order in which they are appended.
    handed: Vec<Handed>,
    /// When the first of them arrived.
    since: Option<Instant>,
    /// Workers that have more to decide and will pass it on soon.
    deciding: usize,
    thread: Thread,
    is_ending: bool,
    /// When the thread last tried whether there is room again.
    retried: Option<Instant>,
}

/// State of the appender's thread.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Thread {
    #[default]
    Working,
    /// Waits for the first records.
    Idle,
    /// Waits for more records to share the sync with.
    Gathering,
}

/// A batch of records on its way to the disk. They are appended in one piece, so their positions are consecutive.
pub(crate) struct Handed {
    pub(crate) records: Vec<EncodedRecord>,
    /// The generation in which they were decided; `None` if they do not depend on records that are not durable yet.
    pub(crate) generation: Option<u64>,
    pub(crate) notify: Notify,
}

/// Called with the slot of each record once they are durable, or with the reason why none of them may be acknowledged.
/// A record may be refused alone: [`Slot::NoKey`].
pub(crate) type Notify = Box<dyn FnOnce(Result<&[Slot], &NotAppended>) + Send>;

const PANICKED: &str = "a thread of the write path has panicked: see the log, and start the host again";

pub(crate) struct HaltOnPanic<'a>(&'a OnceLock<String>);

impl Drop for HaltOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.get_or_init(|| PANICKED.to_owned());
        }
    }
}

impl Appender {
    pub(crate) fn new(writer: Writer) -> Self {
        let (gathered, changed, halted, stalled, generation) = Default::default();
        Self { writer: Mutex::new(Some(writer)), gathered, changed, halted, stalled, generation }
    }

    /// Appends the batches that are left to this thread, until [`end`](Self::end).
    pub(crate) fn run(&self) {
        while self.gather() {
            let appending = catch_unwind(AssertUnwindSafe(|| {
                self.retry_stalled();
                self.append_all(lock(&self.writer));
            }));
            if appending.is_err() {
                // Batches that come later are refused, by this thread.
                self.halted.get_or_init(|| PANICKED.to_owned());
            }
        }
    }

    /// Waits for records, then for a short time for more of them. Returns false when no more will come.
    fn gather(&self) -> bool {
        let mut gathered = lock(&self.gathered);
        gathered.thread = Thread::Idle;
        let nothing_came = |gathered: &mut Gathered| gathered.handed.is_empty() && !gathered.is_ending;
        let is_idle = |gathered: &mut Gathered| nothing_came(gathered) && !self.is_stalled();
        let waited = self.changed.wait_while(gathered, is_idle);
        let mut gathered = waited.unwrap_or_else(PoisonError::into_inner);
        if self.is_stalled() {
            let waited = self.changed.wait_timeout_while(gathered, RETRY_PAUSE, nothing_came);
            gathered = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        gathered.thread = Thread::Gathering;
        let waited_for = gathered.since.map_or(Duration::ZERO, |since| since.elapsed());
        // Another thread may also append these batches while this one waits.
        let others_decide = |gathered: &mut Gathered| gathered.deciding > 0 && !gathered.handed.is_empty();
        let left = GATHERING_MAX.saturating_sub(waited_for);
        let waited = self.changed.wait_timeout_while(gathered, left, others_decide);
        let (mut gathered, _) = waited.unwrap_or_else(PoisonError::into_inner);
        gathered.thread = Thread::Working;
        !gathered.is_ending || !gathered.handed.is_empty()
    }

    /// Announces that the calling worker will pass on more records, until it calls [`decided`](Self::decided).
    pub(crate) fn decide(&self) {
        lock(&self.gathered).deciding += 1;
    }

    pub(crate) fn decided(&self) {
        lock(&self.gathered).deciding -= 1;
    }

    /// Leaves the batch to the appender's thread.
    pub(crate) fn leave(&self, handed: Handed) {
        let mut gathered = lock(&self.gathered);
        gathered.push(handed);
        let is_idle = gathered.thread == Thread::Idle;
        drop(gathered);
        if is_idle {
            self.changed.notify_one();
        }
    }

    /// Appends the batch on the calling thread, with all batches that are left to the appender's thread. Leaves it to
    /// that thread when another thread is appending already, or when other workers will soon have more.
    pub(crate) fn append(&self, handed: Handed) {
        let others_decide = {
            let mut gathered = lock(&self.gathered);
            gathered.push(handed);
            gathered.deciding > 0
        };
        match self.writer.try_lock() {
            Ok(writer) if !others_decide => self.append_all(writer),
            Err(TryLockError::Poisoned(poisoned)) if !others_decide => self.append_all(poisoned.into_inner()),
            _ => {
                if lock(&self.gathered).thread != Thread::Working {
                    self.changed.notify_one();
                }
            }
        }
    }

    /// Like [`append`](Self::append), but blocks until the records are durable.
    pub(crate) fn append_and_wait(&self, records: Vec<EncodedRecord>) -> Result<Vec<Position>, NotAppended> {
        let (result, answer) = channel();
        let notify = move |appended: Result<&[Slot], &NotAppended>| {
            let no_key = || NotAppended::NoRoom { reason: NO_KEY.to_owned(), is_disk_full: false };
            let appended = appended.map_err(NotAppended::clone);
            let positions = appended
                .and_then(|slots| slots.iter().map(|slot| slot.position()).collect::<Option<_>>().ok_or_else(no_key));
            // The receiver waits below.
            drop(result.send(positions));
        };
        self.append(Handed { records, generation: None, notify: Box::new(notify) });
        // The channel closes without an answer only when the thread that took the batch panicked.
        answer.recv().unwrap_or_else(|_| Err(NotAppended::HalfWay(PANICKED.to_owned())))
    }

    /// Returns a guard. If its thread panics before the guard is dropped, nothing more is appended.
    pub(crate) fn halt_on_panic(&self) -> HaltOnPanic<'_> {
        HaltOnPanic(&self.halted)
    }

    /// Why nothing is appended, permanently or at present.
    pub(crate) fn trouble(&self) -> Option<NotAppended> {
        let halted = self.halted.get().map(|reason| NotAppended::Halted(reason.clone()));
        halted.or_else(|| self.stalled.load().as_deref().cloned())
    }

    /// Whether nothing will be appended any more.
    pub(crate) fn is_halted(&self) -> bool {
        self.halted.get().is_some()
    }

    /// Counts the refusals for lack of room. States of an earlier generation may hold changes that are not in the
    /// journal.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn is_stalled(&self) -> bool {
        self.stalled.load().is_some()
    }

    /// Lets the thread finish the batches left to it, and no more.
    pub(crate) fn end(&self) {
        lock(&self.gathered).is_ending = true;
        self.changed.notify_one();
    }

    /// Ends appending and returns the writer. Later batches are refused.
    pub(crate) fn retire(&self) -> Option<Writer> {
        lock(&self.writer).take()
    }

    /// Closes the journal cleanly. Later batches are refused.
    pub(crate) fn close(&self) {
        let Some(writer) = lock(&self.writer).take() else { return };
        if let Err(error) = writer.close() {
            // All acknowledgements stand. The next start takes a little longer.
            tracing::warn!(%error, "the journal was not closed cleanly");
        }
    }

    fn append_all(&self, mut writer: MutexGuard<'_, Option<Writer>>) {
        let handed = lock(&self.gathered).take();
        if handed.is_empty() {
            return;
        }
        let generation = self.generation();
        let (mut records, mut waiting, mut outdated) = (Vec::new(), Vec::with_capacity(handed.len()), Vec::new());
        for Handed { records: more, generation: decided_in, notify } in handed {
            if decided_in.is_some_and(|decided_in| decided_in != generation) {
                outdated.push(notify);
                continue;
            }
            waiting.push((more.len(), notify));
            // Often there is only one batch: then no record is moved.
            if records.is_empty() { records = more } else { records.extend(more) }
        }
        let (slots, refused) = self.try_append(writer.as_mut(), records);
        // The next append may begin while these batches are notified.
        drop(writer);
        let mut rest = slots.as_slice();
        for (count, notify) in waiting {
            let (own, others) = rest.split_at(count);
            rest = others;
            match &refused {
                // A batch without records may depend on records that were refused, so it is refused too.
                Some(refused) if own.is_empty() || own.contains(&Slot::NotReached) => {
                    // The records at the front are in the journal, in a frame of their own.
                    let is_partly = own.iter().any(|slot| slot.position().is_some());
                    let partly = is_partly.then(|| NotAppended::Partly(refused.to_string()));
                    notify(Err(partly.as_ref().unwrap_or(refused)));
                }
                _ => notify(Ok(own)),
            }
        }
        if !outdated.is_empty() {
            let why = self.trouble().or(refused).unwrap_or_else(|| NotAppended::NoRoom {
                reason: "earlier records were not written, because the journal had no room: try again".to_owned(),
                is_disk_full: false,
            });
            outdated.into_iter().for_each(|notify| notify(Err(&why)));
        }
    }

    /// Returns what became of each record, and why the records that were not reached are not in the journal.
    fn try_append(&self, writer: Option<&mut Writer>, records: Vec<EncodedRecord>) -> (Vec<Slot>, Option<NotAppended>) {
        let none = |count: usize| vec![Slot::NotReached; count];
        if let Some(trouble) = self.trouble() {
            self.generation.fetch_add(1, Ordering::AcqRel);
            return (none(records.len()), Some(trouble));
        }
        let Some(writer) = writer else {
            return (none(records.len()), Some(NotAppended::Halted("the host is shutting down".to_owned())));
        };
        let _halting = self.halt_on_panic();
        let (slots, error) = append_usable(writer, records);
        let refused = error.map(|error| match NotAppended::for_now(&error) {
            Some(refused) => {
                // The writer is locked here, so no thread appends decisions of the old generation in between.
                self.generation.fetch_add(1, Ordering::AcqRel);
                self.stall(&refused);
                refused
            }
            None => self.halt(&error),
        });
        (slots, refused)
    }

    fn stall(&self, why: &NotAppended) {
        let was_stalled = self.stalled.swap(Some(Arc::new(why.clone()))).is_some();
        if !was_stalled {
            tracing::error!(reason = %why, "the journal has no room: no commands are taken until there is; the host tries again at intervals");
        }
        // The thread may be waiting for records only, without a timeout.
        drop(lock(&self.gathered));
        self.changed.notify_one();
    }

    /// Takes commands again if there is room.
    fn retry_stalled(&self) {
        if !self.is_stalled() || self.is_halted() {
            return;
        }
        let is_due = |retried: Instant| retried.elapsed() >= RETRY_PAUSE;
        if !lock(&self.gathered).retried.is_none_or(is_due) {
            return;
        }
        let mut writer = lock(&self.writer);
        let made = writer.as_mut().map_or(Ok(()), Writer::make_room);
        lock(&self.gathered).retried = Some(Instant::now());
        match made {
            Ok(()) => {
                self.stalled.store(None);
                tracing::info!("the journal has room again: commands are taken");
            }
            Err(error) => match NotAppended::for_now(&error) {
                Some(why) => self.stall(&why),
                None => drop(self.halt(&error)),
            },
        }
    }

    fn halt(&self, error: &AppendError) -> NotAppended {
        let reason = with_causes(error);
        match error {
            // Several hosts share the journal. It continues on another host, or on this one later.
            AppendError::Log(LogError::Overtaken { .. }) => {
                tracing::info!(%reason, "another host owns the journal now");
            }
            AppendError::Log(LogError::Unavailable { .. }) => {
                tracing::warn!(%reason, "the servers that keep the journal did not accept a frame; this host stops appending");
            }
            _ => {
                tracing::error!(%reason, "the journal failed; no more commands are taken until the host is started again");
            }
        }
        let reason = self.halted.get_or_init(|| reason).clone();
        if error.is_nothing_written() { NotAppended::Halted(reason) } else { NotAppended::HalfWay(reason) }
    }
}

impl Gathered {
    fn push(&mut self, handed: Handed) {
        self.since.get_or_insert_with(Instant::now);
        self.handed.push(handed);
    }

    fn take(&mut self) -> Vec<Handed> {
        self.since = None;
        std::mem::take(&mut self.handed)
    }
}

/// The data behind these locks is consistent between any two statements, even if a panic ended its last user.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "appender_tests.rs"]
mod tests;
