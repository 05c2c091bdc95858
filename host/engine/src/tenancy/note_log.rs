//! Writes guests' notes into the host's log, up to a number of bytes per second for each tenant and for all together.
//! Dropped notes are counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use polder_core::{ByteRate, DomainName, Revision, TenantName};
use polder_sandbox::{Note, NoteLevel};

const KIB: u64 = 1024;
/// Bytes of notes that one tenant may log per second. Notes beyond it are dropped.
pub const NOTE_LOG_BYTES_PER_SECOND_MAX: u64 = 16 * KIB;
/// Bytes of notes that all tenants together may log per second. Notes beyond it are dropped.
pub const NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX: u64 = 64 * KIB;
/// Seconds of logging that each bucket holds at most.
const BURST_SECONDS: u64 = 4;
/// Bytes of a failed call's text in the log. The rest is cut off.
const FAILURE_BYTES_MAX: usize = 4 * 1024;
/// Bytes of a log line in addition to the note and the tenant's name.
const LINE_OVERHEAD_BYTES: u64 = 64;
/// Bytes of a character that the log escapes, at most.
const ESCAPED_BYTES_MAX: u64 = 8;
/// Shortest time between two lines about dropped notes of one tenant. These lines do not count, so there are few.
const DROP_REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// The rate of all tenants together. There is one per process, because there is one log.
static ALL: LazyLock<SharedRate> = LazyLock::new(|| shared(NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX));

type SharedRate = Arc<Mutex<ByteRate>>;

/// The notes of one tenant, with its rate.
#[derive(Debug)]
pub(crate) struct NoteLog {
    tenant: TenantName,
    own: SharedRate,
    all: SharedRate,
    dropped: AtomicU64,
    /// Dropped notes that were not reported in the log yet.
    unreported: AtomicU64,
    /// Time of the last line about dropped notes; `None` before the first.
    reported_at: Mutex<Option<Instant>>,
}

impl NoteLog {
    pub(crate) fn new(tenant: TenantName) -> Self {
        Self::with(tenant, Arc::clone(&ALL))
    }

    fn with(tenant: TenantName, all: SharedRate) -> Self {
        let own = shared(NOTE_LOG_BYTES_PER_SECOND_MAX);
        Self {
            tenant,
            own,
            all,
            dropped: AtomicU64::new(0),
            unreported: AtomicU64::new(0),
            reported_at: Mutex::default(),
        }
    }

    /// Number of notes dropped since the host started.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Logs the failure of a guest call. Its text holds what the guest noted last, so it counts as notes do.
    pub(crate) fn log_failure(&self, domain: &DomainName, revision: Revision, failure: &str) {
        let failure = &failure[..failure.floor_char_boundary(FAILURE_BYTES_MAX)];
        let now = Instant::now();
        if self.may_log(failure, now) {
            tracing::warn!(tenant = %self.tenant, %domain, revision = %revision.short(), failure, "a guest failed");
        } else {
            self.drop_one(now);
        }
    }

    pub(crate) fn log(&self, notes: Vec<Note>) {
        for note in notes {
            let now = Instant::now();
            if self.may_log(&note.message, now) {
                let (tenant, message) = (&self.tenant, note.message);
                match note.level {
                    NoteLevel::Error => tracing::error!(target: "guest", %tenant, "{message}"),
                    NoteLevel::Warning => tracing::warn!(target: "guest", %tenant, "{message}"),
                    NoteLevel::Information => tracing::info!(target: "guest", %tenant, "{message}"),
                    NoteLevel::Detail => tracing::debug!(target: "guest", %tenant, "{message}"),
                }
            } else {
                self.drop_one(now);
            }
        }
    }

    /// Whether a note may be logged. A tenant that exceeds its own rate does not use the shared one.
    fn may_log(&self, text: &str, now: Instant) -> bool {
        let bytes = bytes_in_log(text) + self.tenant.as_str().len() as u64 + LINE_OVERHEAD_BYTES;
        let take = |rate: &Mutex<ByteRate>| rate.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, now);
        take(&self.own) && take(&self.all)
    }

    /// Counts a dropped note, and reports the dropped notes from time to time.
    fn drop_one(&self, now: Instant) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        self.unreported.fetch_add(1, Ordering::Relaxed);
        let mut reported_at = self.reported_at.lock().unwrap_or_else(PoisonError::into_inner);
        if reported_at.is_some_and(|at| now.saturating_duration_since(at) < DROP_REPORT_INTERVAL) {
            return;
        }
        *reported_at = Some(now);
        drop(reported_at);
        let count = self.unreported.swap(0, Ordering::Relaxed);
        tracing::warn!(
            target: "guest",
            tenant = %self.tenant,
            count,
            "notes are dropped: a tenant may log {NOTE_LOG_BYTES_PER_SECOND_MAX} bytes a second (note_log_bytes_per_second_max), all \
             together {NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX}"
        );
    }
}

/// The most bytes that the text takes in the log, where characters that could end a line are escaped.
fn bytes_in_log(text: &str) -> u64 {
    let is_escaped = |character: char| character.is_control() || ('\u{2028}'..='\u{2069}').contains(&character);
    let bytes = |character: char| match is_escaped(character) {
        true => ESCAPED_BYTES_MAX,
        false => character.len_utf8() as u64,
    };
    text.chars().map(bytes).sum()
}

fn shared(bytes_per_second_max: u64) -> SharedRate {
    let rate = ByteRate::new(bytes_per_second_max, BURST_SECONDS * bytes_per_second_max, Instant::now());
    Arc::new(Mutex::new(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> SharedRate {
        shared(NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX)
    }

    fn log_of(tenant: &str, all: &SharedRate) -> NoteLog {
        NoteLog::with(tenant.parse().unwrap(), Arc::clone(all))
    }

    #[test]
    fn a_tenant_that_floods_the_log_does_not_use_the_rate_of_others() {
        let all = all();
        let (loud, quiet) = (log_of("loud", &all), log_of("quiet", &all));
        let (now, text) = (Instant::now(), "x".repeat(1_000));
        let logged = (0..10_000).filter(|_| loud.may_log(&text, now)).count() as u64;
        let burst = BURST_SECONDS * NOTE_LOG_BYTES_PER_SECOND_MAX;
        assert_eq!(logged, burst / (1_000 + "loud".len() as u64 + LINE_OVERHEAD_BYTES));
        assert!(quiet.may_log(&text, now));
    }

    #[test]
    fn all_tenants_together_are_bounded_too() {
        let all = all();
        let (now, text) = (Instant::now(), "x".repeat(1_000));
        let logs: Vec<NoteLog> = (0..100).map(|number| log_of(&format!("t{number:02}"), &all)).collect();
        let logged = logs.iter().flat_map(|log| (0..100).map(move |_| log)).filter(|log| log.may_log(&text, now));
        let burst = BURST_SECONDS * NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX;
        assert_eq!(logged.count() as u64, burst / (1_000 + "t00".len() as u64 + LINE_OVERHEAD_BYTES));
    }

    #[test]
    fn failures_count_as_notes_do() {
        let log = log_of("loud", &all());
        let (domain, revision) = ("vault".parse().unwrap(), Revision::of(b"1"));
        (0..200).for_each(|_| log.log_failure(&domain, revision, &"x".repeat(1_000)));
        assert!(log.dropped() > 100 && log.dropped() < 200, "{}", log.dropped());
    }

    #[test]
    fn dropped_notes_are_counted() {
        let log = log_of("loud", &all());
        let note = || Note { level: NoteLevel::Information, message: "x".repeat(1_000) };
        log.log((0..200).map(|_| note()).collect());
        assert!(log.dropped() > 100 && log.dropped() < 200, "{}", log.dropped());
        // The first one is reported at once, the others later.
        assert_eq!(log.unreported.load(Ordering::Relaxed), log.dropped() - 1);
        log.drop_one(Instant::now() + DROP_REPORT_INTERVAL);
        assert_eq!(log.unreported.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn escaped_characters_count_as_they_are_written() {
        assert_eq!(bytes_in_log("aé\n\u{1}\u{202e}"), 3 + 3 * ESCAPED_BYTES_MAX);
    }
}
