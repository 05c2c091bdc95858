//! Folds real histories with two revisions and compares the resulting states. The history is streamed once for all
//! parts of the aggregates, and the states are held in guest memory. Memory stays bounded, and no aggregate is left
//! out.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use polder_core::Position;
use polder_journal::{AggregateKey, BuildDigestHasher, TenantBatch};

use super::charts::LostStates;
use super::findings::Summary;
use super::part::Part;
use super::subject::{Stop, Subject};

/// Bytes of history per read. A larger value means that more events of one aggregate are folded in one call.
const READ_BYTES: usize = 8 * 1024 * 1024;
/// Parts that run in parallel. Each has an instance of each revision, with its memory.
const PARTS_MAX: usize = 4;

pub(super) struct Replay {
    subject: Arc<Subject>,
    needs_all: bool,
    parts: Vec<Part>,
    /// The aggregates of the sample; `None` for all aggregates.
    sample: Option<HashSet<AggregateKey, BuildDigestHasher>>,
    position: Position,
}

impl Replay {
    pub(super) fn new(subject: Subject) -> Self {
        let old = subject.old.as_ref().unwrap_or(&subject.new);
        let lost_states = Arc::new(LostStates::between(old.descriptor(), subject.new.descriptor()));
        let subject = Arc::new(subject);
        let count = thread::available_parallelism().map_or(1, usize::from).min(PARTS_MAX);
        let parts = (0..count).map(|number| Part::new(&subject, &lost_states, (number, count))).collect();
        Self { subject, needs_all: !lost_states.is_empty(), parts, sample: None, position: Position::ZERO }
    }

    pub(super) fn summary(&self) -> Summary {
        Summary::of(self.parts.iter().map(Part::findings))
    }

    /// Whether the chart has lost states, so that no aggregate may be left out.
    pub(super) fn needs_all(&self) -> bool {
        self.needs_all
    }

    /// Folds and compares all histories up to a position.
    pub(super) fn run_all(&mut self, until: Position, progress: &(dyn Fn(Position) + Sync)) -> Result<(), Stop> {
        while self.parts.iter().any(Part::has_turn) {
            self.stream(until, progress)?;
            self.side_by_side(Part::end_turn, || ())?;
        }
        self.position = until;
        Ok(())
    }

    /// Like [`run_all`](Self::run_all), for these aggregates only.
    pub(super) fn run_sample(
        &mut self,
        keys: Vec<AggregateKey>,
        until: Position,
        progress: &(dyn Fn(Position) + Sync),
    ) -> Result<(), Stop> {
        let folded = AtomicUsize::new(0);
        let report = || {
            let folded = folded.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Position(until.0 * folded as u64 / keys.len() as u64));
        };
        self.side_by_side(|part| part.fold_sample(&keys, until, report), || ())?;
        self.sample = Some(keys.into_iter().collect());
        self.position = until;
        Ok(())
    }

    /// Adds one aggregate to a sample, and folds and compares it.
    pub(super) fn include(&mut self, key: AggregateKey) -> Result<(), Stop> {
        let Some(sample) = &mut self.sample else { return Ok(()) };
        if !sample.insert(key) {
            return Ok(());
        }
        let until = self.position;
        self.side_by_side(|part| part.fold_sample(&[key], until, || ()), || ())
    }

    /// Streams the history once, for the aggregates of the current passes.
    fn stream(&mut self, until: Position, progress: &(dyn Fn(Position) + Sync)) -> Result<(), Stop> {
        let subject = Arc::clone(&self.subject);
        let read = |after| subject.reader.tenant_batch(&subject.tenant, after, READ_BYTES);
        let mut cursor = Position::ZERO;
        let mut batch = read(cursor)?;
        // The last batch may extend beyond `until`; all of its events are folded.
        while !batch.is_empty() && cursor < until {
            let (after, last) = (cursor, batch.last());
            let next = self.side_by_side(|part| part.fold_stretch(&batch, after), || read(last))?;
            (cursor, batch) = (last, next?);
            progress(cursor);
        }
        Ok(())
    }

    /// Folds the events recorded since. Returns `false` if there are more.
    pub(super) fn catch_up(&mut self) -> Result<bool, Stop> {
        let subject = Arc::clone(&self.subject);
        let batch: TenantBatch = subject.reader.tenant_batch(&subject.tenant, self.position, READ_BYTES)?;
        if batch.is_empty() {
            return Ok(true);
        }
        let (after, sample) = (self.position, self.sample.take());
        let folded = self.side_by_side(|part| part.fold_tails(&batch, after, sample.as_ref()), || ());
        self.sample = sample;
        folded?;
        self.position = batch.last();
        Ok(self.position >= subject.reader.last_position(&subject.tenant))
    }

    /// Runs `work` for each part on a thread of its own, and `meanwhile` on this one.
    fn side_by_side<T>(
        &mut self,
        work: impl Fn(&mut Part) -> Result<(), Stop> + Sync,
        meanwhile: impl FnOnce() -> T,
    ) -> Result<T, Stop> {
        let (ended, done) = thread::scope(|scope| {
            let work = &work;
            let running: Vec<_> = self.parts.iter_mut().map(|part| scope.spawn(move || work(part))).collect();
            let done = meanwhile();
            let joined = |running: thread::ScopedJoinHandle<'_, _>| {
                running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            (running.into_iter().map(joined).collect::<Vec<_>>(), done)
        });
        Stop::first(ended.into_iter().filter_map(Result::err)).map_or(Ok(done), Err)
    }
}
