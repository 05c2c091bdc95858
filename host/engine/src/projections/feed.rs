//! One view being fed: reads on in the history, folds events into documents, writes documents and checkpoint together.
//!
//! A guest that fails costs what was not written yet: the feed goes back to the checkpoint and comes again event by event
//! (carefully), so that exactly the event that cannot be applied is set aside, with its reason. Later events of its document
//! queue behind it; other documents go on.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use polder_core::{ContentId, Limits, Position};
use polder_journal::{ReadError, Reader, TenantBatch};
use polder_sandbox::{CallError, Component, DocumentHandle, GuestEvent, Instance};
use std::sync::Arc;

use super::routing::ByDocument;
use super::store::{Changes, NewEffect, Parked, View, ViewStore};
use crate::pace::{HeldBack, LONG_REST, Pace};
use crate::stretch::guest_event;
use crate::tenant::Tenant;

/// History read per turn, in bytes. The more, the more events of one document are folded in one call.
const READ_BYTES: usize = 16 * 1024 * 1024;
/// As above for a view that nobody reads yet, while commands come: it rests within its turn, and live views need the thread.
const READ_BYTES_BESIDE: usize = 512 * 1024;
/// As above while going carefully: each event is a transaction of its own.
const READ_BYTES_CAREFULLY: usize = 32 * 1024;
/// Events of one guest call.
const EVENTS_PER_CALL: usize = 1_024;
/// Behind by more than a turn, a feed writes only when this many documents have changed: most change again soon.
const CHANGED_DOCUMENTS_MAX: usize = 20_000;
/// Documents kept in guest memory.
const OPEN_DOCUMENTS_MAX: usize = 40_000;
/// Share of its memory that the guest may fill before its documents are put away, in percent: running into the limit would
/// bring the last events back one by one.
const MEMORY_PERCENT_MAX: u64 = 75;
/// The key that an event is set aside under when it cannot even be routed.
const UNROUTED: &str = "";

pub(super) struct Feed {
    tenant: Arc<Tenant>,
    view: View,
    component: Arc<Component>,
    limits: Limits,
    /// Everything up to here is folded in, though perhaps not written.
    cursor: Position,
    /// Everything up to here is written.
    written: Position,
    /// The last event that was read.
    newest: Option<(Position, ContentId)>,
    instance: Option<Instance>,
    documents: HashMap<String, OpenDocument>,
    /// Their keys.
    changed: Vec<String>,
    effects: Vec<NewEffect>,
    blocked: HashSet<String>,
    /// Up to here events go one by one, because something among them failed.
    careful_until: Position,
    pace: Option<Pace>,
    /// Until it is begun to be built.
    held_back: Option<HeldBack>,
    /// Events in the journal at the last turn.
    recorded: u64,
}

struct OpenDocument {
    handle: DocumentHandle,
    is_changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    More,
    /// Commands go first.
    NotYet(Duration),
    CaughtUp,
}

/// Why a turn got nowhere: try again later.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    #[error("the history cannot be read: {0}")]
    Journal(#[from] ReadError),
    #[error("the read models cannot be written: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("the guest cannot be run: {0}")]
    Guest(CallError),
}

/// Within a turn: the guest's failures are dealt with, the others end the turn.
enum Trouble {
    Guest(CallError),
    Feed(FeedError),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        // Not the fault of any event, as with an instance that cannot be made.
        if error.host_memory().is_some() { Self::Feed(FeedError::Guest(error)) } else { Self::Guest(error) }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Feed(error.into())
    }
}

impl Feed {
    pub(super) fn new(tenant: Arc<Tenant>, view: View, component: Arc<Component>, blocked: Vec<String>) -> Self {
        Self {
            limits: tenant.limits(),
            tenant,
            cursor: view.checkpoint,
            written: view.checkpoint,
            newest: None,
            component,
            instance: None,
            documents: HashMap::new(),
            changed: Vec::new(),
            effects: Vec::new(),
            blocked: blocked.into_iter().collect(),
            careful_until: Position::ZERO,
            pace: None,
            held_back: (!view.live).then(|| HeldBack::new(Instant::now())),
            recorded: 0,
            view,
        }
    }

    /// Everything up to here can be read.
    pub(super) fn position(&self) -> Position {
        // With nothing waiting to be written, the documents are those of the cursor.
        if self.changed.is_empty() { self.cursor } else { self.written }
    }

    /// Folds the next stretch of history. `is_building`: nobody reads the view yet, and commands go first.
    pub(super) fn turn(&mut self, reader: &Reader, store: &ViewStore, is_building: bool) -> Result<Turn, FeedError> {
        if let Some(wait) = self.hold_back(reader, is_building) {
            return Ok(Turn::NotYet(wait));
        }
        self.pace = is_building.then(|| Pace::new(reader.clone(), LONG_REST));
        let limits = self.tenant.limits();
        if limits != self.limits {
            // The instance was made with the limits before.
            self.start_over();
            self.limits = limits;
        }
        let is_careful = self.cursor < self.careful_until;
        let recorded = reader.statistics().events;
        let is_beside = is_building && std::mem::replace(&mut self.recorded, recorded) != recorded;
        let bytes = match (is_careful, is_beside) {
            (true, _) => READ_BYTES_CAREFULLY,
            (false, true) => READ_BYTES_BESIDE,
            (false, false) => READ_BYTES,
        };
        let batch = reader.tenant_batch(&self.tenant.name, self.cursor, bytes)?;
        self.newest = batch.head().map(|head| (batch.last(), head));
        let folded = if is_careful { self.fold_carefully(&batch, store) } else { self.fold(&batch, reader, store) };
        match folded {
            Ok(()) if self.cursor < reader.last_position(&self.tenant.name) => Ok(Turn::More),
            Ok(()) => Ok(Turn::CaughtUp),
            Err(Trouble::Guest(error)) => {
                tracing::warn!(projection = %self.view.projection, %error, "a projection failed; its last events come again, one by one");
                self.careful_until = batch.last().max(self.cursor);
                self.start_over();
                Ok(Turn::More)
            }
            Err(Trouble::Feed(error)) => {
                self.start_over();
                Err(error)
            }
        }
    }

    fn hold_back(&mut self, reader: &Reader, is_building: bool) -> Option<Duration> {
        let held_back = self.held_back.as_mut().filter(|_| is_building)?;
        let wait = held_back.wait(reader.statistics().events, Instant::now());
        if wait.is_none() {
            self.held_back = None;
        }
        wait
    }

    fn fold(&mut self, batch: &TenantBatch, reader: &Reader, store: &ViewStore) -> Result<(), Trouble> {
        let events = self.events_of(batch);
        let mut sorted = ByDocument::default();
        for (number, chunk) in events.chunks(EVENTS_PER_CALL).enumerate() {
            self.rest();
            sorted.add(number * EVENTS_PER_CALL, self.route(chunk)?);
        }
        let mut own = Vec::new();
        for (key, indexes) in sorted.into_groups() {
            own.clear();
            own.extend(indexes.iter().map(|index| events[*index]));
            if self.blocked.contains(&key) {
                self.queue_behind(&key, &own, store)?;
                continue;
            }
            for chunk in own.chunks(EVENTS_PER_CALL) {
                self.rest();
                self.apply(&key, chunk, store)?;
            }
        }
        self.cursor = batch.last();
        let is_caught_up = self.cursor >= reader.last_position(&self.tenant.name);
        if is_caught_up || self.changed.len() >= CHANGED_DOCUMENTS_MAX {
            self.write(store, Vec::new())?;
        }
        if self.documents.len() > OPEN_DOCUMENTS_MAX || self.is_nearly_full() {
            self.write(store, Vec::new())?;
            self.close_documents();
        }
        Ok(())
    }

    /// One event, one transaction: what fails is known, and what came before is safe.
    fn fold_carefully(&mut self, batch: &TenantBatch, store: &ViewStore) -> Result<(), Trouble> {
        for event in self.events_of(batch) {
            if let Err(reason) = self.fold_one(&event, store)? {
                self.start_over();
                // Once more with a fresh instance: what failed may have been what other events had left behind.
                if let Err(again) = self.fold_one(&event, store)? {
                    self.start_over();
                    self.set_aside(&event, &reason, again, store)?;
                }
            }
        }
        self.cursor = batch.last();
        self.write(store, Vec::new())
    }

    /// The inner error is what the guest failed with, and for which document.
    fn fold_one(&mut self, event: &GuestEvent<'_>, store: &ViewStore) -> Result<Result<(), Failure>, Trouble> {
        let keys = match self.route(&[*event]) {
            Ok(keys) => keys.into_iter().next().unwrap_or_default(),
            Err(Trouble::Guest(error)) => return Ok(Err(Failure { key: UNROUTED.into(), error })),
            Err(trouble) => return Err(trouble),
        };
        let mut parked = Vec::new();
        for key in keys {
            if self.blocked.contains(&key) {
                parked.push(behind(&key, event));
                continue;
            }
            match self.apply(&key, &[*event], store) {
                Ok(()) => {}
                Err(Trouble::Guest(error)) => return Ok(Err(Failure { key, error })),
                Err(trouble) => return Err(trouble),
            }
        }
        self.cursor = Position(event.position);
        match self.write(store, parked) {
            Ok(()) => Ok(Ok(())),
            Err(Trouble::Guest(error)) => {
                let key = self.changed.first().cloned().unwrap_or_default();
                Ok(Err(Failure { key, error }))
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Which documents each of the events touches.
    fn route(&mut self, events: &[GuestEvent<'_>]) -> Result<Vec<Vec<String>>, Trouble> {
        let descriptor = self.component.descriptor.projections.get(&self.view.projection);
        if let Some(aggregates) = descriptor.and_then(|projection| projection.per_aggregate.as_ref()) {
            let is_read = |event: &GuestEvent<'_>| aggregates.iter().any(|name| name.as_str() == event.aggregate);
            let keys = |event: &GuestEvent<'_>| is_read(event).then(|| event.aggregate_id.to_owned());
            return Ok(events.iter().map(|event| keys(event).into_iter().collect()).collect());
        }
        let (instance, view) = self.instance()?;
        Ok(instance.route(view.projection.as_str(), events)?)
    }

    fn set_aside(
        &mut self,
        event: &GuestEvent<'_>,
        first: &Failure,
        again: Failure,
        store: &ViewStore,
    ) -> Result<(), Trouble> {
        let position = Position(event.position);
        let reason = again.error.to_string();
        tracing::error!(
            projection = %self.view.projection, %position, document = %again.key, %reason,
            first = %first.error, "an event is set aside: the projection cannot apply it"
        );
        // Nothing of the event was written; from here on its other documents go without it, and this one waits.
        self.cursor = position;
        self.write(store, vec![Parked { position, key: again.key.clone(), reason }])?;
        // Only now: if that failed, the event comes again, and is to be set aside for its own reason again.
        if again.key != UNROUTED {
            self.blocked.insert(again.key);
        }
        Ok(())
    }

    fn queue_behind(&mut self, key: &str, events: &[GuestEvent<'_>], store: &ViewStore) -> Result<(), Trouble> {
        let parked = events.iter().map(|event| behind(key, event)).collect();
        let changes = Changes { parked, checkpoint: self.written, ..Changes::default() };
        Ok(store.write(&self.view, &changes)?)
    }

    fn apply(&mut self, key: &str, events: &[GuestEvent<'_>], store: &ViewStore) -> Result<(), Trouble> {
        let (open, was_changed) = match self.documents.remove(key) {
            Some(open) => (open.handle, open.is_changed),
            None => {
                let saved = store.document(self.view.id, key)?;
                let (instance, view) = self.instance()?;
                (instance.open(view.projection.as_str(), key, saved.as_deref())?, false)
            }
        };
        let (handle, effects) = self.instance()?.0.apply(open, events)?;
        self.effects.extend(effects.into_iter().map(new_effect));
        if !was_changed {
            self.changed.push(key.to_owned());
        }
        self.documents.insert(key.to_owned(), OpenDocument { handle, is_changed: true });
        Ok(())
    }

    /// Documents, effects and checkpoint in one transaction.
    fn write(&mut self, store: &ViewStore, parked: Vec<Parked>) -> Result<(), Trouble> {
        let newest = self.newest.filter(|(position, _)| *position == self.cursor);
        let head = newest.map(|(_, head)| head);
        let mut changes = Changes { parked, checkpoint: self.cursor, head, ..Changes::default() };
        if let Some(instance) = &mut self.instance {
            // In the order of their keys: neighbours share pages.
            self.changed.sort_unstable();
            for key in &self.changed {
                let Some(open) = self.documents.get(key) else { continue };
                changes.documents.push((key.clone(), instance.save_document(&open.handle)?));
            }
        }
        if changes.documents.is_empty()
            && changes.parked.is_empty()
            && self.effects.is_empty()
            && self.written == self.cursor
        {
            return Ok(());
        }
        changes.effects = std::mem::take(&mut self.effects);
        store.write(&self.view, &changes)?;
        self.written = self.cursor;
        for key in self.changed.drain(..) {
            if let Some(open) = self.documents.get_mut(&key) {
                open.is_changed = false;
            }
        }
        Ok(())
    }

    fn rest(&mut self) {
        if let Some(pace) = &mut self.pace {
            pace.rest();
        }
    }

    fn instance(&mut self) -> Result<(&mut Instance, &View), Trouble> {
        if self.instance.is_none() {
            let instance = self.component.instantiate(&self.limits);
            // Not the fault of any event: setting events aside would not help.
            self.instance = Some(instance.map_err(|error| Trouble::Feed(FeedError::Guest(error)))?);
        }
        Ok((self.instance.as_mut().expect("made above when there was none"), &self.view))
    }

    fn is_nearly_full(&self) -> bool {
        let bytes_max = self.limits.memory_bytes_max / 100 * MEMORY_PERCENT_MAX;
        self.instance.as_ref().is_some_and(|instance| instance.memory_bytes() >= bytes_max)
    }

    /// Back to what is written.
    pub(super) fn start_over(&mut self) {
        self.close_documents();
        self.effects.clear();
        self.cursor = self.written;
    }

    /// With the instance all its documents go at once.
    fn close_documents(&mut self) {
        self.documents.clear();
        self.changed.clear();
        self.instance = None;
    }

    fn events_of<'a>(&self, batch: &'a TenantBatch) -> Vec<GuestEvent<'a>> {
        let domain = self.view.domain.as_str();
        let own = batch.events().filter(|(record, _)| record.domain() == domain);
        // As many at most: others' may be among them.
        let mut events = Vec::with_capacity((batch.last().0 - self.cursor.0) as usize);
        events.extend(own.map(|(record, event)| guest_event(&record, event)));
        events
    }
}

struct Failure {
    key: String,
    error: CallError,
}

fn behind(key: &str, event: &GuestEvent<'_>) -> Parked {
    let reason = "an earlier event of this document is set aside".to_owned();
    Parked { position: Position(event.position), key: key.to_owned(), reason }
}

fn new_effect(effect: polder_sandbox::Effect) -> NewEffect {
    NewEffect {
        kind: effect.kind,
        target: effect.target,
        key: effect.key,
        // The sandbox has checked that it is JSON, and so UTF-8.
        payload: String::from_utf8_lossy(&effect.payload).into_owned(),
    }
}
