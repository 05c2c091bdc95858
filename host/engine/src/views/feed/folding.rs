//! Folds parts of the history into documents, and writes the changes.

use std::time::Duration;

use polder_core::Position;
use polder_journal::Reader;
use polder_sandbox::{CallError, CallErrorKind, GuestEvent, Instance, is_interrupted};

use super::{Feed, FeedError, OpenDocument, Trouble};
use crate::scheduler::Lane;
use crate::tenancy::overran_slice;
use crate::views::answers::ParkedKind;
use crate::views::routing::ByDocument;
use crate::views::store::{Changes, Line, NewEffect, Parked, View};
use crate::views::store_thread::TurnStore;

/// Events per guest call.
const EVENTS_PER_CALL: usize = 1_024;
/// A feed that is behind by more than a turn only writes when this many documents have changed, because most of them
/// change again soon.
const CHANGED_DOCUMENTS_MAX: usize = 20_000;
/// Documents kept in guest memory.
const OPEN_DOCUMENTS_MAX: usize = 40_000;
/// Percentage of its memory limit at which the guest's documents are dropped. Reaching the limit would mean that the
/// last events are folded again one by one.
const MEMORY_PERCENT_MAX: u64 = 75;

/// Effects after which a view that is behind writes what it has.
const UNWRITTEN_EFFECTS_MAX: usize = 20_000;
/// Bytes of effects' payloads after which a view that is behind writes what it has.
const UNWRITTEN_EFFECT_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Changes that are written in addition to documents and effects.
#[derive(Default)]
pub(super) struct Writing {
    pub(super) parked: Vec<Parked>,
    pub(super) mended: Vec<(Position, String)>,
}

impl Feed {
    pub(super) fn fold(
        &mut self,
        events: &[GuestEvent<'_>],
        end: Position,
        reader: &Reader,
        store: &TurnStore<'_>,
    ) -> Result<(), Trouble> {
        let mut held = Vec::new();
        let open: Vec<GuestEvent<'_>>;
        let events = match self.blocked.is_empty() {
            true => events,
            false => {
                let is_held = |event: &GuestEvent<'_>| self.blocked_aggregate(event).is_some();
                held.extend(events.iter().filter(|event| is_held(event)).map(|event| behind("", event)));
                open = events.iter().copied().filter(|event| !is_held(event)).collect();
                &open
            }
        };
        let mut sorted = ByDocument::default();
        for (number, chunk) in events.chunks(EVENTS_PER_CALL).enumerate() {
            self.go_on()?;
            sorted.add(number * EVENTS_PER_CALL, self.route(chunk)?);
        }
        let mut own = Vec::new();
        for (key, indexes) in sorted.into_groups() {
            own.clear();
            own.extend(indexes.iter().map(|index| events[*index]));
            if !self.blocked.is_empty() && self.blocked.contains(&Line::Document(key.clone())) {
                held.extend(own.iter().map(|event| behind(&key, event)));
                continue;
            }
            for chunk in own.chunks(EVENTS_PER_CALL) {
                self.go_on()?;
                self.apply(&key, chunk, store)?;
            }
        }
        self.cursor = end;
        let is_at_the_end = self.stopped_before.is_some() || end >= reader.last_position(&self.tenant.name);
        let is_to_be_written = self.lane == Lane::Slow
            || self.changed.len() >= CHANGED_DOCUMENTS_MAX
            || self.effects.len() >= UNWRITTEN_EFFECTS_MAX
            || self.effect_bytes >= UNWRITTEN_EFFECT_BYTES_MAX;
        if is_at_the_end || is_to_be_written || !held.is_empty() {
            self.write(store, Writing { parked: held, ..Writing::default() })?;
        }
        if self.documents.len() > OPEN_DOCUMENTS_MAX || self.is_nearly_full() {
            self.write(store, Writing::default())?;
            self.close_documents();
        }
        Ok(())
    }

    /// The keys of the documents that each event concerns.
    pub(super) fn route(&mut self, events: &[GuestEvent<'_>]) -> Result<Vec<Vec<String>>, Trouble> {
        let descriptor = self.component.descriptor.projections.get(&self.view.projection);
        if let Some(aggregates) = descriptor.and_then(|projection| projection.per_aggregate.as_ref()) {
            let is_read = |event: &GuestEvent<'_>| aggregates.iter().any(|name| name.as_str() == event.aggregate);
            let keys = |event: &GuestEvent<'_>| is_read(event).then(|| event.aggregate_id.to_owned());
            return Ok(events.iter().map(|event| keys(event).into_iter().collect()).collect());
        }
        let (instance, view) = self.instance()?;
        Ok(instance.route(view.projection.as_str(), events)?)
    }

    pub(super) fn blocked_aggregate(&self, event: &GuestEvent<'_>) -> Option<Line> {
        if self.blocked.is_empty() {
            return None;
        }
        Some(aggregate_line(event)).filter(|line| self.blocked.contains(line))
    }

    pub(super) fn apply(&mut self, key: &str, events: &[GuestEvent<'_>], store: &TurnStore<'_>) -> Result<(), Trouble> {
        let over = |error: CallError| Trouble::guest(error, Some(key.to_owned()));
        let (open, was_changed) = match self.documents.remove(key) {
            Some(open) => (open.handle, open.is_changed),
            None => {
                let saved = store.document(self.view.id, key)?;
                let (instance, view) = self.instance()?;
                (instance.open(view.projection.as_str(), key, saved.as_deref()).map_err(over)?, false)
            }
        };
        let (handle, effects) = self.instance()?.0.apply(open, events).map_err(over)?;
        self.ask_for(key, effects);
        if !was_changed {
            self.changed.push(key.to_owned());
        }
        self.documents.insert(key.to_owned(), OpenDocument { handle, is_changed: true });
        Ok(())
    }

    fn ask_for(&mut self, document: &str, effects: Vec<polder_sandbox::Effect>) {
        let mut before = (0, 0);
        for effect in effects {
            let ordinal = if effect.position == before.0 { before.1 + 1 } else { 0 };
            before = (effect.position, ordinal);
            self.effect_bytes += effect.payload.len();
            self.effects.push(NewEffect {
                position: effect.position,
                document: document.to_owned(),
                ordinal,
                kind: effect.kind,
                target: effect.target,
                key: effect.key,
                // The sandbox has checked that this is JSON, which is UTF-8.
                payload: String::from_utf8_lossy(&effect.payload).into_owned(),
            });
        }
    }

    /// Writes documents, effects, parked events and checkpoint in one transaction.
    pub(super) fn write(&mut self, store: &TurnStore<'_>, writing: Writing) -> Result<(), Trouble> {
        let newest = self.newest.filter(|(position, _)| *position == self.cursor);
        let head = newest.map(|(_, head)| head);
        let Writing { parked, mended } = writing;
        let mut changes = Changes { parked, mended, checkpoint: self.cursor, head, ..Changes::default() };
        if let Some(instance) = &mut self.instance {
            // Ordered by key, because neighbouring keys share pages.
            self.changed.sort_unstable();
            for key in &self.changed {
                let Some(open) = self.documents.get(key) else { continue };
                let saved = instance.save_document(&open.handle);
                changes.documents.push((key.clone(), saved.map_err(|error| Trouble::guest(error, Some(key.clone())))?));
            }
        }
        let is_same = changes.documents.is_empty() && changes.parked.is_empty() && changes.mended.is_empty();
        if is_same && self.effects.is_empty() && self.written == self.cursor {
            return Ok(());
        }
        changes.effects = std::mem::take(&mut self.effects);
        self.effect_bytes = 0;
        let bytes = store.write(&self.view, changes, self.limits.view_bytes_max)?;
        self.tenant.views_take(bytes);
        self.written = self.cursor;
        for key in self.changed.drain(..) {
            if let Some(open) = self.documents.get_mut(&key) {
                open.is_changed = false;
            }
        }
        Ok(())
    }

    /// Checks between two guest calls whether the turn may continue, and pauses if it must.
    pub(super) fn go_on(&mut self) -> Result<(), Trouble> {
        if let Some(pace) = &mut self.pace {
            pace.rest();
        }
        if is_interrupted() {
            return Err(Trouble::Interrupted);
        }
        if self.cpu_time.has_reached(self.lane.stretch_cpu_max()) {
            return Err(Trouble::Overran);
        }
        Ok(())
    }

    /// CPU time of the turn so far.
    pub(super) fn used(&self) -> Duration {
        Duration::from_nanos(self.cpu_time.elapsed_ns())
    }

    pub(super) fn instance(&mut self) -> Result<(&mut Instance, &View), Trouble> {
        if self.instance.is_none() {
            let made = self.component.instantiate(&self.limits);
            // This is not the fault of an event, so setting events aside would not help.
            self.instance = Some(made.map_err(|error| match overran_slice(&error.kind, &self.tenant.limits()) {
                true => Trouble::Guest(error, None),
                false if error.kind == CallErrorKind::Interrupted => Trouble::Interrupted,
                false => Trouble::Feed(FeedError::Guest(error)),
            })?);
        }
        Ok((self.instance.as_mut().expect("made above when there was none"), &self.view))
    }

    fn is_nearly_full(&self) -> bool {
        let bytes_max = self.limits.memory_bytes_max / 100 * MEMORY_PERCENT_MAX;
        self.instance.as_ref().is_some_and(|instance| instance.memory_bytes() >= bytes_max)
    }
}

pub(super) fn aggregate_line(event: &GuestEvent<'_>) -> Line {
    Line::Aggregate { aggregate: event.aggregate.to_owned(), id: event.aggregate_id.to_owned() }
}

/// An entry for an event that waits behind another. `key` is that of the document, or empty if the event waits for one
/// of its aggregate that could not be routed.
pub(super) fn behind(key: &str, event: &GuestEvent<'_>) -> Parked {
    let what = if key.is_empty() { "aggregate" } else { "document" };
    parked(key, event, ParkedKind::Behind, format!("an earlier event of this {what} is set aside"))
}

pub(super) fn parked(key: &str, event: &GuestEvent<'_>, kind: ParkedKind, reason: String) -> Parked {
    Parked {
        position: Position(event.position),
        key: key.to_owned(),
        kind,
        reason,
        aggregate: event.aggregate.to_owned(),
        aggregate_id: event.aggregate_id.to_owned(),
        event: event.name.to_owned(),
        version: event.version,
    }
}
