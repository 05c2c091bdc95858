//! Checks a revision against the history of its domain.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use polder_core::{DomainName, Limits, Position, TenantName};
use polder_journal::Reader;
use serde::Serialize;

use super::charts;
use super::check_error::CheckError;
use super::findings::Summary;
use super::inventory::Inventory;
use super::replay::Replay;
use super::subject::{Stop, Subject};
use super::verdict::{CheckRefusal, ReplayReport, Verdict};
use crate::tenancy::Rules;
use crate::throttle::{Pace, SHORT_REST};
use crate::write::{MakeReady, Reclaimed};

/// Domains with more events than this are checked with a sample of about this many events, unless the caller asks for
/// another scope.
pub const REPLAY_EVENTS_MAX: u64 = 1_000_000;
/// Rounds of catching up before the switch. The bound matters when events are recorded as fast as they are replayed;
/// the rest is checked after the switch.
const CATCH_UP_ROUNDS_MAX: usize = 100;
/// Domains whose inventory is kept in memory. The inventories of others are read again.
const INVENTORIES_KEPT_MAX: usize = 16;

/// The part of the history that both revisions fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayScope {
    All,
    /// All events if there are at most this many, otherwise a sample of about this many.
    Events(u64),
}

impl Default for ReplayScope {
    fn default() -> Self {
        Self::Events(REPLAY_EVENTS_MAX)
    }
}

/// The stage of a check, and its progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct CheckProgress {
    pub stage: CheckStage,
    pub done: u64,
    pub total: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStage {
    /// The component is checked and compiled.
    #[default]
    Checking,
    /// The events of the history are counted.
    Reading,
    Replaying,
    /// The new revision builds the states that will be needed right after the switch.
    Preparing,
}

/// The revision to check, with everything the check depends on.
pub(crate) struct Candidate {
    pub(crate) tenant: TenantName,
    pub(crate) domain: DomainName,
    pub(crate) limits: Limits,
    /// The revision that is active until now.
    pub(crate) old: Option<Arc<dyn Rules>>,
    pub(crate) new: Arc<dyn Rules>,
    pub(crate) scope: ReplayScope,
    pub(crate) accept_changes: bool,
    /// Memory that an instance of the new revision needs to start.
    pub(crate) memory_bytes_needed: u64,
}

pub(crate) type Progress<'a> = &'a (dyn Fn(CheckProgress) + Send + Sync);

/// Checks revisions, and remembers the inventories of domains between checks.
pub(crate) struct RevisionCheck {
    reader: Reader,
    /// The most recently used one is at the end.
    inventories: Mutex<VecDeque<Kept>>,
    is_stopping: Arc<AtomicBool>,
}

struct Kept {
    tenant: TenantName,
    domain: DomainName,
    inventory: Inventory,
}

/// A verdict, with everything needed to check later events.
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    candidate: Candidate,
    replay: Replay,
    inventory: Inventory,
}

impl RevisionCheck {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, inventories: Mutex::default(), is_stopping: Arc::default() }
    }

    /// Aborts running checks, because a host that stops does not wait for a verdict.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// Checks a candidate. This can take long, so call it on a thread of its own.
    pub(crate) fn judge(&self, candidate: Candidate, progress: Progress<'_>) -> Result<Judged, CheckError> {
        let began = Instant::now();
        let inventory = self.take(&candidate.tenant, &candidate.domain);
        let subject = Subject {
            reader: self.reader.clone(),
            tenant: candidate.tenant.clone(),
            domain: candidate.domain.clone(),
            limits: candidate.limits,
            old: candidate.old.clone(),
            new: Arc::clone(&candidate.new),
            is_stopping: Arc::clone(&self.is_stopping),
        };
        let replay = Replay::new(subject);
        let verdict = Verdict { changes_accepted: candidate.accept_changes, ..Verdict::default() };
        let mut judged = Judged { verdict, candidate, replay, inventory };
        judged.judge(&self.reader, progress)?;
        judged.verdict.took_ms = milliseconds(began);
        Ok(judged)
    }

    /// Keeps the inventory of the history for the next check.
    pub(crate) fn keep(&self, judged: Judged) {
        let Judged { candidate: Candidate { tenant, domain, .. }, inventory, .. } = judged;
        let mut inventories = self.inventories.lock().unwrap_or_else(PoisonError::into_inner);
        inventories.push_back(Kept { tenant, domain, inventory });
        if inventories.len() > INVENTORIES_KEPT_MAX {
            inventories.pop_front();
        }
    }

    /// Drops the inventories of a tenant.
    pub(crate) fn forget(&self, tenant: &TenantName) {
        self.inventories.lock().unwrap_or_else(PoisonError::into_inner).retain(|kept| kept.tenant != *tenant);
    }

    fn take(&self, tenant: &TenantName, domain: &DomainName) -> Inventory {
        let mut inventories = self.inventories.lock().unwrap_or_else(PoisonError::into_inner);
        let place = inventories.iter().position(|kept| kept.tenant == *tenant && kept.domain == *domain);
        let kept = place.and_then(|place| inventories.remove(place)).map(|kept| kept.inventory);
        // A history only grows. A shorter one belongs to another tenant of the same name.
        kept.filter(|inventory| inventory.position <= self.reader.last_position(tenant)).unwrap_or_default()
    }
}

impl Judged {
    fn judge(&mut self, reader: &Reader, progress: Progress<'_>) -> Result<(), CheckError> {
        let tenant = self.candidate.tenant.clone();
        let report = |stage, done: Position| {
            let total = reader.last_position(&tenant).0.max(done.0);
            progress(CheckProgress { stage, done: done.0, total });
        };
        let (needed, allowed) = (self.candidate.memory_bytes_needed, self.candidate.limits.memory_bytes_max);
        if needed > allowed {
            let what = "bytes of memory to start with (limit memory_bytes_max)".to_owned();
            self.verdict.refusals.push(CheckRefusal::TooLarge { what, needed, allowed });
        }
        self.read_on(reader, &mut |position| report(CheckStage::Reading, position))?;
        if self.verdict.passed() {
            let began = Instant::now();
            match self.replay_all(reader, &|position| report(CheckStage::Replaying, position)) {
                Ok(()) => {}
                Err(Stop::Refused(refusal)) => self.verdict.refusals.push(refusal),
                Err(Stop::Check(error)) => return Err(error),
            }
            self.report(milliseconds(began));
        }
        Ok(())
    }

    /// Adds the new records to the inventory, and refuses if the revision cannot read one of the events.
    fn read_on(&mut self, reader: &Reader, progress: &mut dyn FnMut(Position)) -> Result<(), CheckError> {
        let Candidate { tenant, domain, new, .. } = &self.candidate;
        let mut pace = Pace::new(reader.clone(), SHORT_REST);
        let mut paced = |position| {
            progress(position);
            pace.rest();
        };
        self.inventory.grow(reader, tenant, domain.as_str(), &mut paced)?;
        (self.verdict.position, self.verdict.events) = (self.inventory.position, self.inventory.events);
        let unreadable = self.inventory.unreadable(new.descriptor());
        if !unreadable.is_empty() {
            self.verdict.refusals.push(CheckRefusal::UnreadableEvents { events: unreadable });
        }
        Ok(())
    }

    fn replay_all(&mut self, reader: &Reader, progress: &(dyn Fn(Position) + Sync)) -> Result<(), Stop> {
        let until = self.inventory.position;
        match self.candidate.scope {
            ReplayScope::Events(events_max) if self.inventory.events > events_max && !self.replay.needs_all() => {
                self.verdict.replay.is_sample = true;
                self.replay.run_sample(self.inventory.sample(events_max), until, progress)?;
            }
            ReplayScope::All | ReplayScope::Events(_) => self.replay.run_all(until, progress)?,
        }
        for _ in 0..CATCH_UP_ROUNDS_MAX {
            if self.replay.catch_up()? {
                break;
            }
        }
        self.read_on(reader, &mut |_| ())?;
        Ok(())
    }

    fn report(&mut self, took_ms: u64) {
        let Summary { aggregates, events, differing, places, differences, lost, uncompared } = self.replay.summary();
        let is_sample = self.verdict.replay.is_sample;
        self.verdict.replay =
            ReplayReport { is_sample, aggregates, events, differing, places, differences, uncompared, took_ms };
        self.verdict.refusals.extend(charts::refusals(lost.iter()));
        if differing > 0 && !self.candidate.accept_changes {
            self.verdict.refusals.push(CheckRefusal::DifferingStates { differing, aggregates });
        }
    }

    /// Builds the states of the most recently used aggregates under the new revision, so that after the switch their
    /// histories need not be folded while callers wait. If the revision fails over one of them, it is refused.
    pub(crate) fn make_ready(
        &mut self,
        reader: &Reader,
        reclaimed: Reclaimed,
        progress: Progress<'_>,
    ) -> Result<MakeReady, CheckError> {
        let newest: Vec<_> = self.inventory.newest().into_iter().map(|(key, _)| key).collect();
        let Candidate { tenant, domain, new, limits, .. } = &self.candidate;
        let names = (tenant.clone(), domain.clone());
        let mut making = MakeReady::new(reader.clone(), names, Arc::clone(new), limits, reclaimed);
        let total = newest.len() as u64;
        making.build(&newest, &|done| {
            progress(CheckProgress { stage: CheckStage::Preparing, done: done as u64, total });
        })?;
        for key in making.take_failed() {
            match self.replay.include(key) {
                Ok(()) => {}
                Err(Stop::Refused(refusal)) => self.verdict.refusals.push(refusal),
                Err(Stop::Check(error)) => return Err(error),
            }
        }
        Ok(making)
    }

    /// Checks the events recorded since, as if they had been there before.
    pub(crate) fn judge_rest(&mut self, reader: &Reader) -> Result<(), CheckError> {
        self.read_on(reader, &mut |_| ())?;
        while self.verdict.passed() {
            match self.replay.catch_up() {
                Ok(true) => break,
                Ok(false) => {}
                Err(Stop::Refused(refusal)) => self.verdict.refusals.push(refusal),
                Err(Stop::Check(error)) => return Err(error),
            }
        }
        Ok(())
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
