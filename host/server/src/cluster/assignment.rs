//! What this host knows of the other hosts and of the owner of each journal, and which step follows for each of its
//! ownership threads. Uses only its own clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use polder_core::{JournalNumber, Journals};
use polder_nats::journal::{Heartbeat, LEASE};

use super::plan::{Step, plan};

/// A host that has been silent this long is gone. Shorter than a lease, so that when the lease of a killed host
/// expires, the others agree on which host gets its journals.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(3);

pub(super) struct Assignment {
    own: Arc<str>,
    state: Mutex<State>,
}

struct State {
    /// The time of the last heartbeat of each other host.
    heard: BTreeMap<String, Instant>,
    journals: Vec<Seen>,
    is_leaving: bool,
}

/// The owner of a journal, as its ownership thread last saw it.
#[derive(Debug, Clone, Default)]
struct Seen {
    owner: Option<String>,
    /// The time when it was seen. `None`: not yet.
    at: Option<Instant>,
    /// The time from which on no present host owns it. `None`: one does.
    free_since: Option<Instant>,
    /// Whether this host can neither follow nor own it any more.
    is_lost: bool,
}

impl Assignment {
    pub(super) fn new(own: &Arc<str>, journals: Journals) -> Self {
        let journals = vec![Seen::default(); journals.count()];
        let state = State { heard: BTreeMap::new(), journals, is_leaving: false };
        Self { own: Arc::clone(own), state: Mutex::new(state) }
    }

    /// Records a heartbeat. Returns true if the host is new to this one, and so may not know this one.
    pub(super) fn heard(&self, heartbeat: Heartbeat, now: Instant) -> bool {
        if *heartbeat.host == *self.own {
            return false;
        }
        let mut state = self.lock();
        match heartbeat.is_leaving {
            true => {
                state.heard.remove(&heartbeat.host);
                false
            }
            false => state.heard.insert(heartbeat.host, now).is_none(),
        }
    }

    /// The heartbeat to send. `None` while this host could own no journal.
    pub(super) fn heartbeat(&self, now: Instant) -> Option<Heartbeat> {
        let is_ready = self.lock().is_ready(now);
        is_ready.then(|| Heartbeat { host: self.own.to_string(), is_leaving: false })
    }

    /// From now on this host owns nothing. Returns the message to send to the others.
    pub(super) fn leave(&self) -> Heartbeat {
        self.lock().is_leaving = true;
        Heartbeat { host: self.own.to_string(), is_leaving: true }
    }

    /// Whether a host was heard lately. An owner also sends heartbeats while it works on a request.
    pub(super) fn is_heard(&self, host: &str, now: Instant) -> bool {
        let heard = self.lock().heard.get(host).copied();
        heard.is_some_and(|at| now.duration_since(at) < SILENCE_MAX)
    }

    /// Records the owner of a journal as its lease shows it. `None`: the lease is free.
    pub(super) fn saw(&self, journal: JournalNumber, owner: Option<&str>, now: Instant) {
        let mut state = self.lock();
        let seen = &mut state.journals[journal.index()];
        (seen.owner, seen.at) = (owner.map(str::to_owned), Some(now));
    }

    /// Records that this host can neither follow nor own the journal any more.
    pub(super) fn lost(&self, journal: JournalNumber) {
        self.lock().journals[journal.index()].is_lost = true;
    }

    /// Whether this host may own the journal once the lease is free. It may if the journal falls to it, or if the host
    /// to which it falls has not taken it for the duration of a lease.
    pub(super) fn may_take(&self, journal: JournalNumber, now: Instant) -> bool {
        let mut state = self.lock();
        if state.is_leaving {
            return false;
        }
        let step = state.step(&self.own, journal, now);
        let is_overdue = |since: Instant| now.duration_since(since) >= LEASE;
        step == Step::Take || state.journals[journal.index()].free_since.is_some_and(is_overdue)
    }

    /// Whether this host owns too many journals, and this is the one to release.
    pub(super) fn must_release(&self, journal: JournalNumber, now: Instant) -> bool {
        self.lock().step(&self.own, journal, now) == Step::Release
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn step(&mut self, own: &str, journal: JournalNumber, now: Instant) -> Step {
        self.heard.retain(|_, at| now.duration_since(*at) < SILENCE_MAX);
        let mut present: BTreeSet<String> = self.heard.keys().cloned().collect();
        if self.is_ready(now) {
            present.insert(own.to_owned());
        }
        for seen in &mut self.journals {
            // This host keeps the journals that it owns, even if it wants no more.
            let is_owned = seen.owner.as_ref().is_some_and(|owner| owner == own || present.contains(owner));
            seen.free_since = if is_owned { None } else { seen.free_since.or(Some(now)) };
        }
        let owners: Vec<_> = self.journals.iter().map(|seen| seen.owner.clone()).collect();
        plan(own, &present, &owners)[journal.index()]
    }

    /// Whether this host wants journals and can see them all.
    fn is_ready(&self, now: Instant) -> bool {
        let is_seen = |seen: &Seen| !seen.is_lost && seen.at.is_some_and(|at| now.duration_since(at) < LEASE);
        !self.is_leaving && self.journals.iter().all(is_seen)
    }
}

#[cfg(test)]
#[path = "assignment_tests.rs"]
mod tests;
