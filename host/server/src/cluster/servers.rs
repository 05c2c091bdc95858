//! The servers that keep a journal, as this host sees them: whether they answer, and whether they take writes. A
//! server that has lost the others answers reads from memory, so an answer alone proves little. The owner renews its
//! lease all the time, so a lease that is not renewed by an owner that runs shows that nothing can be written.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use polder_nats::Leaving;
use polder_nats::journal::{JournalLink, LEASE_LOOK, LeaseReader};
use tokio::sync::watch;

use super::assignment::Assignment;
use super::stop_request::StopRequest;

/// The longest time that a frame may wait for the servers. After it, waiting callers get a refusal.
const STALLED_AFTER: Duration = Duration::from_millis(1_500);
/// The pause between two checks for stalled frames.
const STALL_CHECK_INTERVAL: Duration = Duration::from_millis(100);
/// Servers that have not answered for this long count as silent.
const SILENT_AFTER: Duration = Duration::from_millis(1_500);
/// A lease of this host that was not renewed for this long shows that the servers take no writes.
const OWN_LEASE_UNCHANGED_MAX: Duration = Duration::from_secs(2);
/// The same for the lease of another host that runs. Longer than [`SILENCE_MAX`](super::assignment::SILENCE_MAX): a
/// host that has ended counts as gone by then, and its lease is free for others.
const OTHER_LEASE_UNCHANGED_MAX: Duration = Duration::from_millis(3_500);

/// A held lease that stays unchanged for this long makes the host connect to another server: it may be the only one
/// that is cut off. Longer than a lease, which another host has taken by then if its owner ended.
const LEAVE_AFTER: Duration = Duration::from_secs(5);

/// What this host knows of the servers. Clones share it.
#[derive(Clone)]
pub(crate) struct Servers {
    link: JournalLink,
    is_silent: watch::Receiver<bool>,
}

/// The state of the thread that watches the servers.
pub(super) struct ServerWatch {
    link: JournalLink,
    lease: LeaseReader,
    assignment: Arc<Assignment>,
    own_name: Arc<str>,
    stop_request: watch::Receiver<StopRequest>,
    is_silent: watch::Sender<bool>,
}

pub(super) fn watch(
    link: &JournalLink,
    lease: LeaseReader,
    assignment: &Arc<Assignment>,
    own_name: &Arc<str>,
    stop_request: watch::Receiver<StopRequest>,
) -> (ServerWatch, Servers) {
    let (sender, is_silent) = watch::channel(false);
    let (assignment, own_name) = (Arc::clone(assignment), Arc::clone(own_name));
    let server_watch = ServerWatch { link: link.clone(), lease, assignment, own_name, stop_request, is_silent: sender };
    (server_watch, Servers { link: link.clone(), is_silent })
}

impl ServerWatch {
    /// Reads the lease again and again, until the host stops. Blocks.
    pub(super) fn run(self) {
        let mut answers = Answers::new(Instant::now());
        let mut leaving = Leaving::new(LEAVE_AFTER);
        while !self.stop_request.borrow().is_stopping {
            let read = self.lease.read();
            let now = Instant::now();
            let mut is_held = false;
            let unchanged_max = match read {
                Ok(Some((revision, holder))) => {
                    answers.saw(revision, now);
                    is_held = holder.is_some();
                    self.unchanged_max(holder.as_deref(), now)
                }
                Ok(None) => {
                    answers.saw(0, now);
                    None
                }
                Err(error) => {
                    tracing::debug!(%error, "the servers do not show the owner's lease");
                    None
                }
            };
            let is_silent = answers.are_silent(unchanged_max, now);
            let has_changed =
                self.is_silent.send_if_modified(|was_silent| std::mem::replace(was_silent, is_silent) != is_silent);
            if has_changed && is_silent {
                tracing::warn!("the servers that keep the journal do not answer, or take no writes");
            } else if has_changed {
                tracing::info!("the servers that keep the journal answer again");
            }
            let unrenewed_for = if is_held { answers.unchanged_for(now) } else { Duration::ZERO };
            if leaving.is_due(unrenewed_for, now) {
                self.link.leave_server();
            }
            thread::sleep(LEASE_LOOK);
        }
    }

    /// How long the lease may stay unchanged. `None` if the holder is not known to run.
    fn unchanged_max(&self, holder: Option<&str>, now: Instant) -> Option<Duration> {
        match holder? {
            own if *own == *self.own_name => Some(OWN_LEASE_UNCHANGED_MAX),
            other => self.assignment.is_heard(other, now).then_some(OTHER_LEASE_UNCHANGED_MAX),
        }
    }
}

/// The answers of the servers so far. Pure.
struct Answers {
    answered_at: Instant,
    revision: u64,
    changed_at: Instant,
}

impl Answers {
    fn new(now: Instant) -> Self {
        Self { answered_at: now, revision: 0, changed_at: now }
    }

    fn saw(&mut self, revision: u64, now: Instant) {
        self.answered_at = now;
        if revision != self.revision {
            (self.revision, self.changed_at) = (revision, now);
        }
    }

    fn unchanged_for(&self, now: Instant) -> Duration {
        now.duration_since(self.changed_at)
    }

    fn are_silent(&self, unchanged_max: Option<Duration>, now: Instant) -> bool {
        now.duration_since(self.answered_at) >= SILENT_AFTER
            || unchanged_max.is_some_and(|unchanged_max| self.unchanged_for(now) >= unchanged_max)
    }
}

impl Servers {
    /// Why the servers take nothing now. `None` if they do, as far as this host knows.
    pub(crate) fn problem(&self) -> Option<String> {
        let is_silent = || {
            let problem = "the servers that keep the journal do not answer, or take no writes";
            self.is_silent.borrow().then(|| problem.to_owned())
        };
        self.stalled().or_else(is_silent)
    }

    /// Resolves when the servers become silent.
    pub(crate) async fn silent(&self) {
        let mut is_silent = self.is_silent.clone();
        if is_silent.wait_for(|is_silent| *is_silent).await.is_err() {
            // The host stops, and knows nothing any more.
            std::future::pending().await
        }
    }

    /// Why appended frames are not durable yet, if the oldest has waited too long. `None` if the servers answer, or if
    /// this host does not own the journal.
    fn stalled(&self) -> Option<String> {
        let waited = self.link.frame_waits_for().filter(|waited| *waited >= STALLED_AFTER)?;
        Some(format!("the servers that keep the journal have not answered for {} ms", waited.as_millis()))
    }

    /// Waits for `pending`. Fails if the servers that keep the journal stop answering.
    pub(crate) async fn answered<T>(&self, pending: impl Future<Output = T>) -> Result<T, String> {
        let mut pending = std::pin::pin!(pending);
        loop {
            match tokio::time::timeout(STALL_CHECK_INTERVAL, &mut pending).await {
                Ok(answer) => return Ok(answer),
                Err(_) => self.stalled().map_or(Ok(()), Err)?,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(500);

    #[test]
    fn servers_that_do_not_answer_are_silent() {
        let start = Instant::now();
        let mut answers = Answers::new(start);
        assert!(!answers.are_silent(None, start + TICK));
        assert!(answers.are_silent(None, start + SILENT_AFTER));
        answers.saw(1, start + SILENT_AFTER);
        assert!(!answers.are_silent(None, start + SILENT_AFTER + TICK));
    }

    #[test]
    fn a_lease_that_its_owner_does_not_renew_shows_that_nothing_is_written() {
        let start = Instant::now();
        let mut answers = Answers::new(start);
        let mut now = start;
        for revision in 1..10 {
            now += TICK;
            answers.saw(revision, now);
            assert!(!answers.are_silent(Some(OWN_LEASE_UNCHANGED_MAX), now));
        }
        let last = now;
        while now < last + OWN_LEASE_UNCHANGED_MAX {
            assert!(!answers.are_silent(Some(OWN_LEASE_UNCHANGED_MAX), now));
            now += TICK;
            answers.saw(9, now);
        }
        assert!(answers.are_silent(Some(OWN_LEASE_UNCHANGED_MAX), now));
        assert!(!answers.are_silent(Some(OTHER_LEASE_UNCHANGED_MAX), now));
        assert!(!answers.are_silent(None, now), "the owner may have ended: its lease runs out");
    }
}
