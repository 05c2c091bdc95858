//! The way to the disk, shared by all workers. Whoever decides hands its records over and goes on; a thread of its own makes all that
//! came meanwhile durable, in one frame with one sync, and tells who waits for it. Someone with nothing else to do appends himself: that
//! saves waking a thread, which for one caller alone is a good part of what a sync takes.
//!
//! Where there is no room for records for now, nothing of them is in the journal. Then all is refused that was decided on states with them in it:
//! the generation counts such refusals, and what is handed over says in which generation it was decided. Meanwhile the thread looks
//! whether there is room again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use polder_core::Position;
use polder_journal::{AppendError, EncodedRecord, LogError, Writer};

use super::not_appended::{NotAppended, with_causes};

/// Records wait no longer than this for what others still decide, to share a sync with it: a sync costs as much as deciding on dozens
/// of commands. Counted from the first of them, so that none waits longer than a sync or so for the next to begin.
const GATHERING_MAX: Duration = Duration::from_micros(500);

/// How long it is waited, while there is no room, before it is looked again.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

pub(crate) struct Appender {
    /// `None` once closed. Held by whoever appends.
    writer: Mutex<Option<Writer>>,
    gathered: Mutex<Gathered>,
    /// There is something for the thread to do.
    changed: Condvar,
    halted: OnceLock<String>,
    /// There is no room for now.
    stalled: ArcSwapOption<NotAppended>,
    generation: AtomicU64,
}

#[derive(Default)]
struct Gathered {
    /// In the order they came in, in which they are appended.
    handed: Vec<Handed>,
    /// When the first of them came.
    since: Option<Instant>,
    /// So many have more to decide, and will hand it over soon.
    deciding: usize,
    thread: Thread,
    is_ending: bool,
    /// When it was looked last whether there is room again.
    retried: Option<Instant>,
}

/// What the appender's thread is doing.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Thread {
    #[default]
    Working,
    /// Waits for anything to come.
    Idle,
    /// Waits for more to come.
    Gathering,
}

/// Records on their way to the disk. They are appended in one piece, and so have positions that follow each other.
pub(crate) struct Handed {
    pub(crate) records: Vec<EncodedRecord>,
    /// In which they were decided; `None` where they rely on nothing that is not durable.
    pub(crate) generation: Option<u64>,
    pub(crate) tell: Tell,
}

/// Told the tenant's position after each record, once all of them are durable; or why none may be acknowledged.
pub(crate) type Tell = Box<dyn FnOnce(Result<&[Position], &NotAppended>) + Send>;

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

    /// Appends what is left to the thread, until [`end`](Self::end).
    pub(crate) fn run(&self) {
        while self.gather() {
            let appending = catch_unwind(AssertUnwindSafe(|| {
                self.look_for_room();
                self.append_all(lock(&self.writer));
            }));
            if appending.is_err() {
                // Who is still to come is told, by this thread.
                self.halted.get_or_init(|| PANICKED.to_owned());
            }
        }
    }

    /// Waits for records, and for a while for more of them. False when none will come.
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
        // Somebody else may append what is there, too.
        let others_decide = |gathered: &mut Gathered| gathered.deciding > 0 && !gathered.handed.is_empty();
        let left = GATHERING_MAX.saturating_sub(waited_for);
        let waited = self.changed.wait_timeout_while(gathered, left, others_decide);
        let (mut gathered, _) = waited.unwrap_or_else(PoisonError::into_inner);
        gathered.thread = Thread::Working;
        !gathered.is_ending || !gathered.handed.is_empty()
    }

    /// The caller has much to decide and hands it over bit by bit, until it says that it has [`decided`](Self::decided).
    pub(crate) fn decide(&self) {
        lock(&self.gathered).deciding += 1;
    }

    pub(crate) fn decided(&self) {
        lock(&self.gathered).deciding -= 1;
    }

    /// Leaves the records to the thread.
    pub(crate) fn leave(&self, handed: Handed) {
        let mut gathered = lock(&self.gathered);
        gathered.push(handed);
        let is_idle = gathered.thread == Thread::Idle;
        drop(gathered);
        if is_idle {
            self.changed.notify_one();
        }
    }

    /// Appends on the calling thread, with all that others left. Leaves the records to the thread when somebody is at it already, or
    /// others will soon have more.
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

    /// As [`append`](Self::append), and blocks until the records are durable.
    pub(crate) fn append_and_wait(&self, records: Vec<EncodedRecord>) -> Result<Vec<Position>, NotAppended> {
        let (told, answer) = channel();
        let tell = move |appended: Result<&[Position], &NotAppended>| {
            // Who asked waits below.
            drop(told.send(appended.map(<[_]>::to_vec).map_err(NotAppended::clone)));
        };
        self.append(Handed { records, generation: None, tell: Box::new(tell) });
        // Gone without an answer only when a panic ended the turn that took it along.
        answer.recv().unwrap_or_else(|_| Err(NotAppended::HalfWay(PANICKED.to_owned())))
    }

    /// Appends nothing more when its thread panics before it is dropped.
    pub(crate) fn halt_on_panic(&self) -> HaltOnPanic<'_> {
        HaltOnPanic(&self.halted)
    }

    /// Why nothing is appended, for good or for now.
    pub(crate) fn trouble(&self) -> Option<NotAppended> {
        let halted = self.halted.get().map(|reason| NotAppended::Halted(reason.clone()));
        halted.or_else(|| self.stalled.load().as_deref().cloned())
    }

    /// Nothing is appended any more.
    pub(crate) fn is_halted(&self) -> bool {
        self.halted.get().is_some()
    }

    /// States from before another generation may hold what is not in the journal.
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn is_stalled(&self) -> bool {
        self.stalled.load().is_some()
    }

    /// Lets the thread finish what was left to it, and no more.
    pub(crate) fn end(&self) {
        lock(&self.gathered).is_ending = true;
        self.changed.notify_one();
    }

    /// Appends nothing more. What still comes is refused.
    pub(crate) fn retire(&self) -> Option<Writer> {
        lock(&self.writer).take()
    }

    /// Ends the journal in order. What still comes is refused.
    pub(crate) fn close(&self) {
        let Some(writer) = lock(&self.writer).take() else { return };
        if let Err(error) = writer.close() {
            // Every acknowledgement stands; the next start takes a moment longer.
            tracing::warn!(%error, "the journal was not closed cleanly");
        }
    }

    fn append_all(&self, mut writer: MutexGuard<'_, Option<Writer>>) {
        let handed = lock(&self.gathered).take();
        if handed.is_empty() {
            return;
        }
        let generation = self.generation();
        let (mut records, mut told, mut outdated) = (Vec::new(), Vec::with_capacity(handed.len()), Vec::new());
        for Handed { records: more, generation: decided_in, tell } in handed {
            if decided_in.is_some_and(|decided_in| decided_in != generation) {
                outdated.push(tell);
                continue;
            }
            told.push((more.len(), tell));
            // Often the only ones: then nothing is moved.
            if records.is_empty() { records = more } else { records.extend(more) }
        }
        let (positions, refused) = self.try_append(writer.as_mut(), &records);
        // The next may begin while these are told.
        drop(writer);
        let mut rest = positions.as_slice();
        for (count, tell) in told {
            match &refused {
                // What relies on nothing that was recorded now may rely on what was not.
                Some(refused) if count == 0 || count > rest.len() => {
                    // The records at the front are in the journal, in a frame of their own.
                    let partly = (!rest.is_empty()).then(|| NotAppended::Partly(refused.to_string()));
                    rest = &[];
                    tell(Err(partly.as_ref().unwrap_or(refused)));
                }
                _ => {
                    let (own, others) = rest.split_at(count);
                    tell(Ok(own));
                    rest = others;
                }
            }
        }
        if !outdated.is_empty() {
            let why = self.trouble().or(refused).unwrap_or_else(|| NotAppended::NoRoom {
                reason: "what came before was not recorded, as there was no room for it: try again".to_owned(),
                is_disk_full: false,
            });
            outdated.into_iter().for_each(|tell| tell(Err(&why)));
        }
    }

    /// The positions of the records at the front that are durable, and why the others are not.
    fn try_append(
        &self,
        writer: Option<&mut Writer>,
        records: &[EncodedRecord],
    ) -> (Vec<Position>, Option<NotAppended>) {
        if let Some(trouble) = self.trouble() {
            self.generation.fetch_add(1, Ordering::AcqRel);
            return (Vec::new(), Some(trouble));
        }
        let Some(writer) = writer else {
            return (Vec::new(), Some(NotAppended::Halted("the host is shutting down".to_owned())));
        };
        let _halting = self.halt_on_panic();
        match writer.append(records) {
            Ok(appended) => (appended.last_positions, None),
            Err(error) => match NotAppended::for_now(&error) {
                Some(refused) => {
                    // While the writer is locked: nobody appends what was decided before.
                    self.generation.fetch_add(1, Ordering::AcqRel);
                    if let AppendError::NoRoom { .. } = error {
                        self.stall(&refused);
                    }
                    let (AppendError::NoRoom { appended, .. } | AppendError::Key { appended, .. }) = error else {
                        return (Vec::new(), Some(refused));
                    };
                    (appended.last_positions, Some(refused))
                }
                None => (Vec::new(), Some(self.halt(&error))),
            },
        }
    }

    fn stall(&self, why: &NotAppended) {
        let was_stalled = self.stalled.swap(Some(Arc::new(why.clone()))).is_some();
        if !was_stalled {
            tracing::error!(reason = %why, "no commands are taken until there is room for the journal; it is looked for");
        }
        // The thread may be waiting for records alone.
        drop(lock(&self.gathered));
        self.changed.notify_one();
    }

    /// Whether commands can be taken again.
    fn look_for_room(&self) {
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
                tracing::info!("there is room for the journal again; commands are taken");
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
            // Several hosts have it in common, and it goes on with another one, or with this one later.
            AppendError::Log(LogError::Overtaken { .. }) => {
                tracing::info!(%reason, "another host owns the journal now");
            }
            AppendError::Log(LogError::Unavailable { .. }) => {
                tracing::warn!(%reason, "the servers that keep the journal took no frame; it is given up");
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

/// What is behind these locks is whole between any two statements, also where a panic ended someone's turn.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "appender_tests.rs"]
mod tests;
