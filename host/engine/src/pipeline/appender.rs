//! The way to the disk, shared by all workers. Whoever decides hands its records over and goes on; a thread of its own makes all that
//! came meanwhile durable, in one frame with one sync, and tells who waits for it. Someone with nothing else to do appends himself: that
//! saves waking a thread, which for one caller alone is a good part of what a sync takes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use polder_core::Position;
use polder_journal::{AppendError, EncodedRecord, LogError, Writer};

/// Records wait no longer than this for what others still decide, to share a sync with it: a sync costs as much as deciding on dozens
/// of commands. Counted from the first of them, so that none waits longer than a sync or so for the next to begin.
const GATHERING_MAX: Duration = Duration::from_micros(500);

pub(crate) struct Appender {
    /// `None` once closed. Held by whoever appends.
    writer: Mutex<Option<Writer>>,
    gathered: Mutex<Gathered>,
    /// There is something for the thread to do.
    changed: Condvar,
    halted: OnceLock<String>,
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
    pub(crate) tell: Tell,
}

/// Told the tenant's position after each record, once all of them are durable; or why none may be acknowledged.
pub(crate) type Tell = Box<dyn FnOnce(Result<&[Position], &Halted>) + Send>;

/// Nothing is appended any more: the journal failed, or the host shuts down. Says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Halted(pub(crate) String);

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
        let (gathered, changed, halted) = Default::default();
        Self { writer: Mutex::new(Some(writer)), gathered, changed, halted }
    }

    /// Appends what is left to the thread, until [`end`](Self::end).
    pub(crate) fn run(&self) {
        while self.gather() {
            let appending = catch_unwind(AssertUnwindSafe(|| self.append_all(lock(&self.writer))));
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
        let waited = self.changed.wait_while(gathered, nothing_came);
        let mut gathered = waited.unwrap_or_else(PoisonError::into_inner);
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
    pub(crate) fn append_and_wait(&self, records: Vec<EncodedRecord>) -> Result<Vec<Position>, Halted> {
        let (told, answer) = channel();
        let tell = move |appended: Result<&[Position], &Halted>| {
            // Who asked waits below.
            drop(told.send(appended.map(<[_]>::to_vec).map_err(Halted::clone)));
        };
        self.append(Handed { records, tell: Box::new(tell) });
        // Gone without an answer only when a panic ended the turn that took it along.
        answer.recv().unwrap_or_else(|_| Err(Halted(PANICKED.to_owned())))
    }

    /// Appends nothing more when its thread panics before it is dropped.
    pub(crate) fn halt_on_panic(&self) -> HaltOnPanic<'_> {
        HaltOnPanic(&self.halted)
    }

    /// Why nothing is appended any more, if so.
    pub(crate) fn halted(&self) -> Option<&str> {
        self.halted.get().map(String::as_str)
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
        let (mut records, mut told) = (Vec::new(), Vec::with_capacity(handed.len()));
        for Handed { records: more, tell } in handed {
            told.push((more.len(), tell));
            // Often the only ones: then nothing is moved.
            if records.is_empty() { records = more } else { records.extend(more) }
        }
        let appended = self.try_append(writer.as_mut(), &records);
        // The next may begin while these are told.
        drop(writer);
        match appended {
            Ok(positions) => {
                let mut rest = positions.as_slice();
                for (count, tell) in told {
                    let (own, others) = rest.split_at(count);
                    tell(Ok(own));
                    rest = others;
                }
            }
            Err(halted) => told.into_iter().for_each(|(_, tell)| tell(Err(&halted))),
        }
    }

    fn try_append(&self, writer: Option<&mut Writer>, records: &[EncodedRecord]) -> Result<Vec<Position>, Halted> {
        if let Some(reason) = self.halted.get() {
            return Err(Halted(reason.clone()));
        }
        let writer = writer.ok_or_else(|| Halted("the host is shutting down".to_owned()))?;
        let _halting = self.halt_on_panic();
        match writer.append(records) {
            Ok(appended) => Ok(appended.last_positions),
            Err(error) => Err(self.halt(&error)),
        }
    }

    fn halt(&self, error: &AppendError) -> Halted {
        let mut reason = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            reason = format!("{reason}: {cause}");
            source = cause.source();
        }
        match error {
            // Several hosts have it in common, and it goes on with another one, or with this one later.
            AppendError::Log(LogError::Overtaken { .. }) => {
                tracing::info!(%reason, "another host owns the journal now")
            }
            AppendError::Log(LogError::Unavailable { .. }) => {
                tracing::warn!(%reason, "the servers that keep the journal took no frame; it is given up");
            }
            _ => {
                tracing::error!(%reason, "the journal failed; no more commands are taken until the host is started again")
            }
        }
        Halted(self.halted.get_or_init(|| reason).clone())
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
mod tests {
    use super::*;
    use polder_core::{
        AggregateId, AggregateName, CommandId, CommandName, ContentId, DomainName, EventName, Fingerprint, Sequence,
        TenantName, TimestampMs,
    };
    use polder_journal::{Decision, Journal, NewEvent, OpenOptions, Outcome, Reader};

    const THREADS: u64 = 4;
    const APPENDS: u64 = 50;

    fn open() -> (tempfile::TempDir, Appender, Reader) {
        let folder = tempfile::tempdir().unwrap();
        let (writer, reader, _) = Journal::open(folder.path(), OpenOptions::default()).unwrap();
        (folder, Appender::new(writer), reader)
    }

    /// The `number`-th command of its own aggregate, with one event.
    fn record(number: u64) -> EncodedRecord {
        let command_name = CommandName::new("do").unwrap();
        let decision = Decision {
            tenant: TenantName::new("main").unwrap(),
            domain: DomainName::new("d").unwrap(),
            aggregate: AggregateName::new("a").unwrap(),
            aggregate_id: AggregateId::new(&number.to_string()).unwrap(),
            revision_mark: polder_core::Revision::of(b"r").mark(),
            command_id: CommandId::new("c").unwrap(),
            fingerprint: Fingerprint::of(&command_name, b"{}"),
            command_name,
            correlation_id: None,
            causation_id: None,
            actor: None,
            trail: polder_core::Trail::default(),
            at_ms: TimestampMs(1),
            outcome: Outcome::Accepted,
            sequence_before: Sequence::ZERO,
            events: vec![NewEvent { name: EventName::new("done").unwrap(), version: 1, payload: b"{}".to_vec() }],
        };
        EncodedRecord::encode(&decision, decision.aggregate_key(), &ContentId::NONE).0
    }

    fn append_one(appender: &Appender, number: u64) -> Result<Vec<Position>, Halted> {
        appender.append_and_wait(vec![record(number)])
    }

    #[test]
    fn everyone_gets_the_positions_of_their_own_records() {
        let (_folder, appender, reader) = open();
        let appender = &appender;
        let mut positions: Vec<u64> = std::thread::scope(|scope| {
            scope.spawn(|| appender.run());
            let append = |thread| {
                move || {
                    let numbers = thread * APPENDS..(thread + 1) * APPENDS;
                    let append =
                        |number| appender.append_and_wait(vec![record(number), record(number + 1_000)]).unwrap();
                    numbers.flat_map(append).map(|position| position.0).collect::<Vec<_>>()
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(append(thread))).collect();
            let positions = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
            appender.end();
            positions
        });
        assert!(positions.chunks(2).all(|own| own[1] == own[0] + 1), "what comes together stays together");
        positions.sort_unstable();
        assert_eq!(positions, (1..=2 * THREADS * APPENDS).collect::<Vec<_>>(), "each position is given once");
        assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 2 * THREADS * APPENDS);
    }

    #[test]
    fn what_comes_during_a_sync_shares_the_next() {
        let (_folder, appender, reader) = open();
        let (told, answers) = channel();
        let under_way = lock(&appender.writer);
        for number in 0..5 {
            let told = told.clone();
            let tell = move |appended: Result<&[Position], &Halted>| told.send(appended.unwrap().to_vec()).unwrap();
            appender.append(Handed { records: vec![record(number)], tell: Box::new(tell) });
        }
        assert!(answers.try_recv().is_err());
        drop(under_way);
        std::thread::scope(|scope| {
            scope.spawn(|| appender.run());
            let positions: Vec<_> = answers.iter().take(5).flatten().map(|position| position.0).collect();
            assert_eq!(positions, [1, 2, 3, 4, 5], "in the order they came in");
            appender.end();
        });
        assert_eq!(reader.statistics().frames, 1);
    }

    #[test]
    fn who_has_more_to_decide_is_waited_for_and_not_for_ever() {
        let (_folder, appender, reader) = open();
        let (told, answers) = channel();
        let hand_over = |number| {
            let told = told.clone();
            let tell = move |appended: Result<&[Position], &Halted>| told.send(appended.unwrap().to_vec()).unwrap();
            appender.append(Handed { records: vec![record(number)], tell: Box::new(tell) });
        };
        appender.decide();
        hand_over(1);
        assert!(answers.try_recv().is_err(), "more will come");
        appender.decided();
        hand_over(2);
        assert_eq!(answers.try_iter().count(), 2, "nobody decides: by the one who came");
        assert_eq!(reader.statistics().frames, 1);
        appender.decide();
        hand_over(3);
        std::thread::scope(|scope| {
            scope.spawn(|| appender.run());
            assert_eq!(answers.recv().unwrap(), [Position(3)], "by the thread, though somebody still decides");
            appender.end();
        });
    }

    #[test]
    fn who_ends_the_thread_has_what_was_left_finished() {
        let (_folder, appender, reader) = open();
        appender.leave(Handed { records: vec![record(1)], tell: Box::new(|appended| assert!(appended.is_ok())) });
        appender.end();
        appender.run();
        assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 1);
    }

    #[test]
    fn after_a_panic_nothing_is_appended() {
        let (_folder, appender, _reader) = open();
        drop(appender.halt_on_panic());
        append_one(&appender, 1).unwrap();
        std::thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let _halting = appender.halt_on_panic();
                panic!("on purpose");
            });
            assert!(panics.join().is_err());
        });
        assert_eq!(appender.halted(), Some(PANICKED));
        assert_eq!(append_one(&appender, 2), Err(Halted(PANICKED.to_owned())));
    }

    #[test]
    fn a_panic_while_telling_ends_the_work_and_not_the_thread() {
        let (_folder, appender, _reader) = open();
        std::thread::scope(|scope| {
            appender.leave(Handed { records: vec![record(1)], tell: Box::new(|_| panic!("on purpose")) });
            scope.spawn(|| appender.run());
            while appender.halted().is_none() {
                std::thread::yield_now();
            }
            let (told, answer) = channel();
            let tell = move |appended: Result<&[Position], &Halted>| told.send(appended.is_err()).unwrap();
            appender.leave(Handed { records: vec![record(2)], tell: Box::new(tell) });
            assert!(answer.recv().unwrap(), "it is told that nothing came of it");
            appender.end();
        });
    }

    #[test]
    fn a_closed_journal_takes_nothing() {
        let (_folder, appender, reader) = open();
        append_one(&appender, 1).unwrap();
        appender.close();
        assert!(append_one(&appender, 2).unwrap_err().to_string().contains("shutting down"));
        assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 1);
    }
}
