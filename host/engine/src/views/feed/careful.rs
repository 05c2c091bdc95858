//! Folds events one by one, each in its own transaction, so that it is known which event fails, and the events before
//! it are safe. Parked events are retried in the same way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use polder_core::Position;
use polder_journal::Reader;
use polder_sandbox::{CallError, CallErrorKind, GuestEvent, is_interrupted};

use super::folding::{Writing, aggregate_line, behind, parked};
use super::{Feed, FeedError, Trouble, Turn};
use crate::folding::guest_event;
use crate::tenancy::overran_slice;
use crate::views::answers::ParkedKind;
use crate::views::store::Line;
use crate::views::store_thread::TurnStore;

/// Documents that one event may fail on. Beyond this it is set aside for all of its documents at once, because each
/// failure costs two calls.
const FAILED_DOCUMENTS_MAX: usize = 4;
/// CPU time after which an event that has failed on a document is set aside for all of its documents.
const EVENT_CPU_MAX: Duration = Duration::from_secs(5);
/// Events of one [`Line`] per read, when they are retried.
const RETRIED_PER_READ: usize = 64;

/// The reason why an event is folded.
#[derive(Clone, Copy)]
enum Origin<'a> {
    /// It is next in the history.
    History,
    /// It is the first event of this queue of parked events and was set aside before.
    Line(&'a Line),
}

/// The documents that an event concerns.
enum Routed {
    To(Vec<String>),
    /// The projection failed twice to route the event.
    Failed(String),
}

impl Feed {
    /// Folds the events one by one. Ends early when the turn is over, or when an event was set aside and the projection
    /// has to pause.
    pub(super) fn fold_carefully(
        &mut self,
        events: &[GuestEvent<'_>],
        end: Position,
        store: &TurnStore<'_>,
    ) -> Result<Turn, Trouble> {
        for event in events {
            if is_interrupted() {
                return Err(Trouble::Interrupted);
            }
            let began = self.used();
            let is_whole = self.fold_event(event, Origin::History, store)?;
            if let Some(rest) = self.rest_after(is_whole, self.used().saturating_sub(began)) {
                return Ok(Turn::Resting(rest));
            }
            if self.used() > self.lane.turn_cpu_max() {
                return Ok(Turn::More);
            }
        }
        self.cursor = end;
        self.write(store, Writing::default())?;
        Ok(Turn::More)
    }

    /// Retries lines whose first event is due, until the turn is over.
    pub(super) fn retry_due(&mut self, reader: &Reader, store: &TurnStore<'_>) -> Result<Turn, Trouble> {
        // Folded but unwritten changes would be lost if the guest fails.
        self.write(store, Writing::default())?;
        while let Some(line) = self.due.last().cloned() {
            if self.used() > self.lane.turn_cpu_max() {
                break;
            }
            let began = self.used();
            let is_mended = self.retry_line(&line, reader, store)?;
            // `None` means that the line has more events.
            let Some(is_mended) = is_mended else { break };
            self.due.pop();
            if is_mended {
                self.blocked.remove(&line);
            }
            if let Some(rest) = self.rest_after(is_mended, self.used().saturating_sub(began)) {
                return Ok(Turn::Resting(rest));
            }
        }
        Ok(Turn::More)
    }

    /// Retries the events of a line. Returns whether all of them were applied, or `None` if the turn is over and the
    /// line has more events.
    fn retry_line(&mut self, line: &Line, reader: &Reader, store: &TurnStore<'_>) -> Result<Option<bool>, Trouble> {
        loop {
            let positions = store.line(self.view.id, line, RETRIED_PER_READ)?;
            if positions.is_empty() {
                return Ok(Some(true));
            }
            for position in positions {
                if is_interrupted() {
                    return Err(Trouble::Interrupted);
                }
                let before = Position(position.0.saturating_sub(1));
                let batch = reader.tenant_batch(&self.tenant.name, before, 1).map_err(FeedError::from)?;
                let Some((record, event)) = batch.events().next() else { return Ok(Some(false)) };
                let is_whole = self.fold_event(&guest_event(&record, event), Origin::Line(line), store)?;
                // An event that could not be routed leaves the line once it is routed, even if it is then set aside for
                // a document.
                if !is_whole && store.line(self.view.id, line, 1)?.first() == Some(&position) {
                    return Ok(Some(false));
                }
                if self.used() > self.lane.turn_cpu_max() {
                    return Ok(None);
                }
            }
        }
    }

    /// Folds one event. Returns false if it was set aside for a failure of its own.
    fn fold_event(
        &mut self,
        event: &GuestEvent<'_>,
        origin: Origin<'_>,
        store: &TurnStore<'_>,
    ) -> Result<bool, Trouble> {
        if let Origin::History = origin
            && let Some(line) = self.blocked_aggregate(event)
        {
            let writing = Writing { parked: vec![behind(line.key(), event)], ..Writing::default() };
            self.write_event(event, origin, writing, store)?;
            return Ok(true);
        }
        let keys = match origin {
            Origin::Line(Line::Document(key)) => Routed::To(vec![key.clone()]),
            Origin::History | Origin::Line(Line::Aggregate { .. }) => self.route_one(event)?,
        };
        match keys {
            Routed::Failed(reason) => {
                self.report(event, "", &reason);
                let line = aggregate_line(event);
                let aside = parked("", event, ParkedKind::Unrouted, reason);
                self.write_event(event, origin, Writing { parked: vec![aside], ..Writing::default() }, store)?;
                self.blocked.insert(line);
                Ok(false)
            }
            Routed::To(keys) => self.fold_into(event, &keys, origin, store),
        }
    }

    fn route_one(&mut self, event: &GuestEvent<'_>) -> Result<Routed, Trouble> {
        for is_again in [false, true] {
            match self.route(&[*event]) {
                Ok(keys) => return Ok(Routed::To(keys.into_iter().next().unwrap_or_default())),
                Err(Trouble::Guest(error, _)) if self.is_verdict(&error) => {
                    // Retried once in a fresh instance: the failure may be caused by what other events have left
                    // behind.
                    self.start_over();
                    if is_again {
                        return Ok(Routed::Failed(error.to_string()));
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(Routed::To(Vec::new()))
    }

    /// Folds the event into those of its documents that accept it, and sets it aside for the others.
    fn fold_into(
        &mut self,
        event: &GuestEvent<'_>,
        keys: &[String],
        origin: Origin<'_>,
        store: &TurnStore<'_>,
    ) -> Result<bool, Trouble> {
        let began = self.used();
        let mut failed: BTreeMap<String, String> = BTreeMap::new();
        let mut tried: BTreeSet<String> = BTreeSet::new();
        loop {
            let applied = self.apply_to_all(event, keys, &failed, origin, store);
            let (error, key) = match applied {
                Ok(()) => break,
                Err(Trouble::Guest(error, key)) if self.is_verdict(&error) => (error, key.unwrap_or_default()),
                Err(trouble) => return Err(trouble),
            };
            self.start_over();
            if tried.insert(key.clone()) {
                // Retried once in a fresh instance: the failure may be caused by what other events have left behind.
                continue;
            }
            let reason = error.to_string();
            self.report(event, &key, &reason);
            failed.insert(key, reason.clone());
            if failed.len() >= FAILED_DOCUMENTS_MAX || self.used().saturating_sub(began) > EVENT_CPU_MAX {
                for key in keys.iter().filter(|key| !self.is_blocked(key, origin)) {
                    failed.entry(key.clone()).or_insert_with(|| reason.clone());
                }
            }
        }
        let is_whole = failed.is_empty();
        // This comes last: if writing failed, the event is folded again, and must be set aside for its own reason
        // again.
        self.blocked.extend(failed.into_keys().map(Line::Document));
        Ok(is_whole)
    }

    fn apply_to_all(
        &mut self,
        event: &GuestEvent<'_>,
        keys: &[String],
        failed: &BTreeMap<String, String>,
        origin: Origin<'_>,
        store: &TurnStore<'_>,
    ) -> Result<(), Trouble> {
        let mut writing = Writing::default();
        for key in keys {
            if is_interrupted() {
                return Err(Trouble::Interrupted);
            }
            if let Some(reason) = failed.get(key) {
                writing.parked.push(parked(key, event, ParkedKind::Failed, reason.clone()));
            } else if self.is_blocked(key, origin) {
                writing.parked.push(behind(key, event));
            } else {
                self.apply(key, &[*event], store)?;
            }
        }
        self.write_event(event, origin, writing, store)
    }

    fn is_blocked(&self, key: &str, origin: Origin<'_>) -> bool {
        let line = Line::Document(key.to_owned());
        !matches!(origin, Origin::Line(own) if *own == line) && self.blocked.contains(&line)
    }

    fn write_event(
        &mut self,
        event: &GuestEvent<'_>,
        origin: Origin<'_>,
        mut writing: Writing,
        store: &TurnStore<'_>,
    ) -> Result<(), Trouble> {
        let position = Position(event.position);
        match origin {
            Origin::History => self.cursor = position,
            // The entry is removed, unless the event was set aside again in the same place, which replaces the entry.
            Origin::Line(line) if !writing.parked.iter().any(|parked| parked.key == line.key()) => {
                writing.mended.push((position, line.key().to_owned()));
            }
            Origin::Line(_) => {}
        }
        self.write(store, writing)
    }

    /// Whether the failure is the event's own, and not that of a slice or of an interrupted call.
    fn is_verdict(&self, error: &CallError) -> bool {
        error.kind != CallErrorKind::Interrupted && !overran_slice(&error.kind, &self.tenant.limits())
    }

    fn rest_after(&mut self, is_whole: bool, used: Duration) -> Option<Duration> {
        if is_whole {
            self.failures.succeeded();
            return None;
        }
        Some(self.failures.failed(used)).filter(|rest| !rest.is_zero())
    }

    fn report(&self, event: &GuestEvent<'_>, document: &str, reason: &str) {
        tracing::error!(
            projection = %self.view.projection, position = event.position, document, reason,
            "an event is set aside: the projection cannot apply it"
        );
    }
}
