//! The way to the disk, shared by all workers. Whoever comes while others still decide leaves its records to the last of them, who
//! takes along all that were left: a sync costs as much as deciding on dozens of commands, and so is made for everyone at once.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use polder_core::Position;
use polder_journal::{AppendError, EncodedRecord, Writer};

/// Records wait no longer than this for those who still decide: one of them may be held up by a slow guest.
const GATHERING_MAX: Duration = Duration::from_micros(500);

pub(crate) struct Appender {
    /// `None` once closed.
    writer: Mutex<Option<Writer>>,
    gathered: Mutex<Gathered>,
    /// Somebody's records are appended, or nobody decides any more.
    changed: Condvar,
    gathering_max: Duration,
    halted: OnceLock<String>,
}

#[derive(Default)]
struct Gathered {
    waiting: Vec<Waiting>,
    /// So many will come with records, soon.
    deciding: usize,
}

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

type Answer = Result<Vec<Position>, Halted>;

struct Waiting {
    records: Vec<EncodedRecord>,
    answer: Arc<Mutex<Option<Answer>>>,
}

/// Whether who appends was counted among those that decide.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decided {
    No,
    Yes,
}

impl Appender {
    pub(crate) fn new(writer: Writer) -> Self {
        Self {
            writer: Mutex::new(Some(writer)),
            gathered: Mutex::default(),
            changed: Condvar::new(),
            gathering_max: GATHERING_MAX,
            halted: OnceLock::new(),
        }
    }

    /// Others leave their records to the caller, who has to say soon that it [`Decided`].
    pub(crate) fn decide(&self) {
        lock(&self.gathered).deciding += 1;
    }

    /// Makes the records durable, in their order, and gives the tenant's position after each. Blocks until they are. Without records
    /// it only says that the caller decides no more.
    pub(crate) fn append(&self, records: Vec<EncodedRecord>, decided: Decided) -> Answer {
        let answer = Arc::default();
        let mut gathered = lock(&self.gathered);
        gathered.deciding -= usize::from(decided == Decided::Yes);
        if records.is_empty() {
            if gathered.deciding == 0 {
                self.changed.notify_one();
            }
            return Ok(Vec::new());
        }
        gathered.waiting.push(Waiting { records, answer: Arc::clone(&answer) });
        let others_decide = |gathered: &mut Gathered| gathered.deciding > 0 && lock(&answer).is_none();
        let waited = self.changed.wait_timeout_while(gathered, self.gathering_max, others_decide);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        let mut writer = lock(&self.writer);
        if let Some(answer) = lock(&answer).take() {
            return answer;
        }
        self.append_all(writer.as_mut());
        drop(writer);
        self.changed.notify_all();
        // They waited with the others; gone without an answer only when a panic ended the turn that took them along.
        let answer = lock(&answer).take();
        answer.unwrap_or_else(|| Err(Halted(PANICKED.to_owned())))
    }

    /// Appends nothing more when its thread panics before it is dropped.
    pub(crate) fn halt_on_panic(&self) -> HaltOnPanic<'_> {
        HaltOnPanic(&self.halted)
    }

    /// Why nothing is appended any more, if so.
    pub(crate) fn halted(&self) -> Option<&str> {
        self.halted.get().map(String::as_str)
    }

    /// Ends the journal in order. What still comes is refused.
    pub(crate) fn close(&self) {
        let Some(writer) = lock(&self.writer).take() else { return };
        if let Err(error) = writer.close() {
            // Every acknowledgement stands; the next start takes a moment longer.
            tracing::warn!(%error, "the journal was not closed cleanly");
        }
    }

    fn append_all(&self, writer: Option<&mut Writer>) {
        let waiting = std::mem::take(&mut lock(&self.gathered).waiting);
        let (mut records, mut answers) = (Vec::new(), Vec::with_capacity(waiting.len()));
        for Waiting { records: more, answer } in waiting {
            answers.push((more.len(), answer));
            // Most often the only ones: then nothing is moved.
            if records.is_empty() { records = more } else { records.extend(more) }
        }
        match self.try_append(writer, &records) {
            Ok(mut positions) => {
                for (count, answer) in answers {
                    let rest = positions.split_off(count);
                    *lock(&answer) = Some(Ok(std::mem::replace(&mut positions, rest)));
                }
            }
            Err(halted) => answers.into_iter().for_each(|(_, answer)| *lock(&answer) = Some(Err(halted.clone()))),
        }
    }

    fn try_append(&self, writer: Option<&mut Writer>, records: &[EncodedRecord]) -> Answer {
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
        tracing::error!(%reason, "the journal failed; no more commands are taken until the host is started again");
        Halted(self.halted.get_or_init(|| reason).clone())
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
            at_ms: TimestampMs(1),
            outcome: Outcome::Accepted,
            sequence_before: Sequence::ZERO,
            events: vec![NewEvent { name: EventName::new("done").unwrap(), version: 1, payload: b"{}".to_vec() }],
        };
        EncodedRecord::encode(&decision, decision.aggregate_key(), &ContentId::NONE).0
    }

    #[test]
    fn everyone_gets_the_positions_of_their_own_records() {
        let (_folder, appender, reader) = open();
        let appender = &appender;
        let mut positions: Vec<u64> = std::thread::scope(|scope| {
            let append = |thread| {
                move || {
                    let numbers = thread * APPENDS..(thread + 1) * APPENDS;
                    let append =
                        |number| appender.append(vec![record(number), record(number + 1_000)], Decided::No).unwrap();
                    numbers.flat_map(append).map(|position| position.0).collect::<Vec<_>>()
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(append(thread))).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert!(positions.chunks(2).all(|own| own[1] == own[0] + 1), "what comes together stays together");
        positions.sort_unstable();
        assert_eq!(positions, (1..=2 * THREADS * APPENDS).collect::<Vec<_>>(), "each position is given once");
        assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 2 * THREADS * APPENDS);
    }

    #[test]
    fn who_still_decides_takes_the_others_along() {
        let (_folder, mut appender, reader) = open();
        appender.gathering_max = Duration::from_secs(3_600);
        appender.decide();
        appender.decide();
        std::thread::scope(|scope| {
            scope.spawn(|| appender.append(vec![record(1)], Decided::Yes).unwrap());
            while lock(&appender.gathered).waiting.is_empty() {
                std::thread::yield_now();
            }
            appender.append(vec![record(2)], Decided::Yes).unwrap();
        });
        assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 2);
        assert_eq!(reader.statistics().frames, 1);
    }

    #[test]
    fn who_decided_nothing_lets_the_others_go() {
        let (_folder, mut appender, reader) = open();
        appender.gathering_max = Duration::from_secs(3_600);
        appender.decide();
        appender.decide();
        std::thread::scope(|scope| {
            scope.spawn(|| appender.append(vec![record(1)], Decided::Yes).unwrap());
            appender.append(Vec::new(), Decided::Yes).unwrap();
        });
        assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 1);
    }

    #[test]
    fn nobody_waits_for_ever_for_who_decides() {
        let (_folder, appender, reader) = open();
        appender.decide();
        appender.append(vec![record(1)], Decided::No).unwrap();
        assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 1);
    }

    #[test]
    fn after_a_panic_nothing_is_appended() {
        let (_folder, appender, _reader) = open();
        drop(appender.halt_on_panic());
        appender.append(vec![record(1)], Decided::No).unwrap();
        std::thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let _halting = appender.halt_on_panic();
                panic!("on purpose");
            });
            assert!(panics.join().is_err());
        });
        assert_eq!(appender.halted(), Some(PANICKED));
        assert_eq!(appender.append(vec![record(2)], Decided::No), Err(Halted(PANICKED.to_owned())));
    }

    #[test]
    fn a_closed_journal_takes_nothing() {
        let (_folder, appender, reader) = open();
        appender.append(vec![record(1)], Decided::No).unwrap();
        appender.close();
        assert!(appender.append(vec![record(2)], Decided::No).unwrap_err().to_string().contains("shutting down"));
        assert_eq!(reader.last_position(&TenantName::new("main").unwrap()).0, 1);
    }
}
