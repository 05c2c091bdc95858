//! Guests' notes on their way into the host's log: so many bytes a second for each tenant, and for all of them. What is dropped is counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Instant;

use polder_core::{ByteRate, TenantName};
use polder_sandbox::{Note, NoteLevel};

const KIB: u64 = 1024;
/// Notes of one tenant that are logged in a second, in bytes.
pub const NOTE_LOG_BYTES_PER_SECOND_MAX: u64 = 16 * KIB;
/// Notes of all tenants that are logged in a second, in bytes.
pub const NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX: u64 = 64 * KIB;
/// Each bucket holds this many seconds' worth at most.
const BURST_SECONDS: u64 = 4;
/// Bytes of a log line beside the note itself.
const LINE_OVERHEAD_BYTES: u64 = 64;

/// What all tenants together may log. There is one for the process, as there is one log.
static ALL: LazyLock<SharedRate> = LazyLock::new(|| shared(NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX));

type SharedRate = Arc<Mutex<ByteRate>>;

/// What one tenant may log.
#[derive(Debug)]
pub(crate) struct NoteLog {
    tenant: TenantName,
    own: SharedRate,
    all: SharedRate,
    dropped: AtomicU64,
    /// Of `dropped`, those that no line has told of yet.
    untold: AtomicU64,
}

impl NoteLog {
    pub(crate) fn new(tenant: TenantName) -> Self {
        Self::with(tenant, Arc::clone(&ALL))
    }

    fn with(tenant: TenantName, all: SharedRate) -> Self {
        let own = shared(NOTE_LOG_BYTES_PER_SECOND_MAX);
        Self { tenant, own, all, dropped: AtomicU64::new(0), untold: AtomicU64::new(0) }
    }

    /// Notes that were dropped since the host started.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn log(&self, notes: Vec<Note>) {
        for note in notes {
            if self.may_log(&note, Instant::now()) {
                self.say_what_was_dropped();
                let (tenant, message) = (&self.tenant, note.message);
                match note.level {
                    NoteLevel::Error => tracing::error!(target: "guest", %tenant, "{message}"),
                    NoteLevel::Warning => tracing::warn!(target: "guest", %tenant, "{message}"),
                    NoteLevel::Information => tracing::info!(target: "guest", %tenant, "{message}"),
                    NoteLevel::Detail => tracing::debug!(target: "guest", %tenant, "{message}"),
                }
            } else {
                self.drop_one();
            }
        }
    }

    /// A tenant that is over its own rate takes nothing of the others'.
    fn may_log(&self, note: &Note, now: Instant) -> bool {
        let bytes = note.message.len() as u64 + LINE_OVERHEAD_BYTES;
        let take = |rate: &Mutex<ByteRate>| rate.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, now);
        take(&self.own) && take(&self.all)
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if self.untold.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                target: "guest",
                tenant = %self.tenant,
                "notes are dropped: a tenant may note {NOTE_LOG_BYTES_PER_SECOND_MAX} bytes a second (note_log_bytes_per_second_max), all \
                 together {NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX}"
            );
        }
    }

    fn say_what_was_dropped(&self) {
        if self.untold.load(Ordering::Relaxed) > 0 {
            let count = self.untold.swap(0, Ordering::Relaxed);
            tracing::warn!(target: "guest", tenant = %self.tenant, count, "notes were dropped before this one");
        }
    }
}

fn shared(bytes_per_second_max: u64) -> SharedRate {
    let rate = ByteRate::new(bytes_per_second_max, BURST_SECONDS * bytes_per_second_max, Instant::now());
    Arc::new(Mutex::new(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(bytes: u64) -> Note {
        Note { level: NoteLevel::Information, message: "x".repeat(usize::try_from(bytes).unwrap()) }
    }

    fn all() -> SharedRate {
        shared(NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX)
    }

    fn log_of(tenant: &str, all: &SharedRate) -> NoteLog {
        NoteLog::with(tenant.parse().unwrap(), Arc::clone(all))
    }

    #[test]
    fn a_tenant_that_floods_is_cut_and_takes_nothing_of_the_others() {
        let all = all();
        let (loud, quiet) = (log_of("loud", &all), log_of("quiet", &all));
        let now = Instant::now();
        let logged = (0..10_000).filter(|_| loud.may_log(&note(1_000), now)).count() as u64;
        let burst = BURST_SECONDS * NOTE_LOG_BYTES_PER_SECOND_MAX;
        assert_eq!(logged, burst / (1_000 + LINE_OVERHEAD_BYTES));
        assert!(quiet.may_log(&note(1_000), now));
    }

    #[test]
    fn all_tenants_together_are_bounded_too() {
        let all = all();
        let now = Instant::now();
        let logs: Vec<NoteLog> = (0..100).map(|number| log_of(&format!("t{number}"), &all)).collect();
        let logged =
            logs.iter().flat_map(|log| (0..100).map(move |_| log)).filter(|log| log.may_log(&note(1_000), now));
        let burst = BURST_SECONDS * NOTE_LOG_BYTES_PER_SECOND_IN_ALL_MAX;
        assert_eq!(logged.count() as u64, burst / (1_000 + LINE_OVERHEAD_BYTES));
    }

    #[test]
    fn what_is_dropped_is_counted() {
        let log = log_of("loud", &all());
        log.log((0..200).map(|_| note(1_000)).collect());
        assert!(log.dropped() > 100 && log.dropped() < 200, "{}", log.dropped());
        assert_eq!(log.dropped(), log.untold.load(Ordering::Relaxed));
    }
}
