//! Feeds one view: reads the history, folds its events into documents, and writes documents and checkpoint together.
//!
//! If a guest fails, only unwritten changes are lost. The feed goes back to the checkpoint and folds the events again
//! one by one ([`careful`]). So exactly the event that cannot be applied is set aside, with its reason. Later events of
//! its document are queued behind it; other documents continue.

mod careful;
mod folding;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use polder_core::{ContentId, Limits, Position};
use polder_journal::{ReadError, Reader, TenantBatch};
use polder_sandbox::{CallError, CallErrorKind, Component, CpuTime, DocumentHandle, GuestEvent, Instance};

use super::allowance::{Failures, STRETCH_BYTES_MIN, Stretch};
use super::readable::Readable;
use super::store::{Line, NewEffect, View, WriteError};
use super::store_thread::TurnStore;
use crate::folding::guest_event;
use crate::scheduler::Lane;
use crate::tenancy::{Tenant, overran_slice};
use crate::throttle::{HeldBack, LONG_REST, Pace};

/// Bytes of history per turn for a view that no reader uses yet, while commands arrive. Such a turn contains pauses,
/// and live views need the thread.
const STRETCH_BYTES_BESIDE: usize = 512 * 1024;

pub(super) struct Feed {
    tenant: Arc<Tenant>,
    view: View,
    component: Arc<Component>,
    readable: Readable,
    /// The limits of the instance.
    limits: Limits,
    lane: Lane,
    /// The tenant's limits at the last check of whether parked events should be retried.
    tried_with: Option<Limits>,
    /// The position up to which events are folded in, though perhaps not written.
    cursor: Position,
    /// The position up to which changes are written.
    written: Position,
    /// Position and content id of the last event that was read.
    newest: Option<(Position, ContentId)>,
    instance: Option<Instance>,
    documents: HashMap<String, OpenDocument>,
    /// Keys of the changed documents.
    changed: Vec<String>,
    effects: Vec<NewEffect>,
    /// Payloads of these effects, in bytes.
    effect_bytes: usize,
    blocked: HashSet<Line>,
    /// Lines whose first event must be retried.
    due: Vec<Line>,
    /// The position up to which events are folded one by one, because one of them failed.
    careful_until: Position,
    /// The event that the revision cannot read. The view stays before it.
    stopped_before: Option<Position>,
    stretch: Stretch,
    failures: Failures,
    cpu_time: CpuTime,
    pace: Option<Pace>,
    /// Delays the first build; `None` once it has begun.
    held_back: Option<HeldBack>,
    /// Number of events in the journal at the last turn.
    recorded: u64,
}

struct OpenDocument {
    handle: DocumentHandle,
    is_changed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    More,
    /// Commands have priority: try again after this time.
    NotYet(Duration),
    /// Several events in a row have failed: pause for this time.
    Resting(Duration),
    CaughtUp,
    /// The revision cannot read this event.
    StoppedBefore(Position),
    /// A call or a turn exceeded the bounds of the fast lane.
    Overran,
    /// The view is retired, or the host stops.
    Interrupted,
}

/// The reason why a turn made no progress. It is retried later.
#[derive(Debug, thiserror::Error)]
pub(super) enum FeedError {
    #[error("the history cannot be read: {0}")]
    Journal(#[from] ReadError),
    #[error("the read models cannot be written: {0}")]
    Store(#[from] rusqlite::Error),
    #[error("{0}")]
    Full(WriteError),
    #[error("the guest cannot be run: {0}")]
    Guest(CallError),
}

impl From<WriteError> for FeedError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Sqlite(error) => Self::Store(error),
            full @ WriteError::Full { .. } => Self::Full(full),
        }
    }
}

/// A problem within a turn. Failures of the guest are handled; the others end the turn.
enum Trouble {
    /// A failure of the guest, with the key of the document, if known.
    Guest(CallError, Option<String>),
    Feed(FeedError),
    /// The turn took too long.
    Overran,
    Interrupted,
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::guest(error, None)
    }
}

impl Trouble {
    /// A failure of the guest. `document` is the key of the document that it failed on, if known.
    fn guest(error: CallError, document: Option<String>) -> Self {
        // A lack of host memory is not the fault of an event, and neither is an instance that cannot be created.
        match error.host_memory().is_some() {
            true => Self::Feed(FeedError::Guest(error)),
            false => Self::Guest(error, document),
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Feed(error.into())
    }
}

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Self {
        Self::Feed(error.into())
    }
}

impl From<FeedError> for Trouble {
    fn from(error: FeedError) -> Self {
        Self::Feed(error)
    }
}

impl Feed {
    pub(super) fn new(tenant: Arc<Tenant>, view: View, component: Arc<Component>) -> Self {
        Self {
            limits: tenant.limits(),
            lane: Lane::Fast,
            tried_with: None,
            tenant,
            readable: Readable::new(&component.descriptor, &view.projection),
            cursor: view.checkpoint,
            written: view.checkpoint,
            newest: None,
            component,
            instance: None,
            documents: HashMap::new(),
            changed: Vec::new(),
            effects: Vec::new(),
            effect_bytes: 0,
            blocked: HashSet::new(),
            due: Vec::new(),
            careful_until: Position::ZERO,
            stopped_before: None,
            stretch: Stretch::default(),
            failures: Failures::default(),
            cpu_time: CpuTime::now(),
            pace: None,
            held_back: (!view.live).then(|| HeldBack::new(Instant::now())),
            recorded: 0,
            view,
        }
    }

    /// The position that readers may see.
    pub(super) fn position(&self) -> Position {
        // If there are no unwritten changes, the documents are those of the cursor.
        if self.changed.is_empty() { self.cursor } else { self.written }
    }

    /// Reads the parked events again after an operator has changed them.
    pub(super) fn read_parked(&mut self, store: &TurnStore<'_>) -> Result<(), FeedError> {
        self.blocked = store.blocked(self.view.id)?;
        self.due = store.due(self.view.id)?;
        Ok(())
    }

    /// Retries due events, or else folds the next part of the history. `is_beside` means that no reader waits for the
    /// view, so commands have priority.
    pub(super) fn turn(
        &mut self,
        (reader, store): (&Reader, &TurnStore<'_>),
        lane: Lane,
        is_beside: bool,
    ) -> Result<Turn, FeedError> {
        if let Some(wait) = self.hold_back(reader, is_beside) {
            return Ok(Turn::NotYet(wait));
        }
        self.pace = is_beside.then(|| Pace::new(reader.clone(), LONG_REST));
        self.cpu_time = CpuTime::now();
        self.take_limits(lane, store)?;
        if !self.due.is_empty() {
            let retried = self.retry_due(reader, store);
            return self.end_turn(retried, Position::ZERO, reader);
        }
        if let Some(event) = self.stopped_before.filter(|event| self.cursor.plus(1) == *event) {
            return Ok(Turn::StoppedBefore(event));
        }
        let is_careful = self.cursor < self.careful_until;
        let bytes = self.stretch_bytes(reader, is_careful, is_beside);
        let batch = reader.tenant_batch(&self.tenant.name, self.cursor, bytes)?;
        self.newest = batch.head().map(|head| (batch.last(), head));
        let (events, end) = self.events_of(&batch);
        let folded = match is_careful {
            true => self.fold_carefully(&events, end, store),
            false => self.fold(&events, end, reader, store).map(|()| {
                self.stretch.folded(self.used(), self.lane);
                Turn::More
            }),
        };
        self.end_turn(folded, end, reader)
    }

    /// Decides how the view continues after a turn that read the history up to `end`.
    fn end_turn(&mut self, folded: Result<Turn, Trouble>, end: Position, reader: &Reader) -> Result<Turn, FeedError> {
        match folded {
            Ok(Turn::More) if !self.due.is_empty() => Ok(Turn::More),
            Ok(Turn::More) => Ok(match self.stopped_before.filter(|event| self.cursor.plus(1) == *event) {
                Some(event) => Turn::StoppedBefore(event),
                None if self.cursor < reader.last_position(&self.tenant.name) => Turn::More,
                None => Turn::CaughtUp,
            }),
            Ok(turn) => Ok(turn),
            Err(trouble) => {
                self.start_over();
                self.recover(trouble, end)
            }
        }
    }

    fn recover(&mut self, trouble: Trouble, end: Position) -> Result<Turn, FeedError> {
        match trouble {
            Trouble::Interrupted => Ok(Turn::Interrupted),
            Trouble::Guest(error, _) if error.kind == CallErrorKind::Interrupted => Ok(Turn::Interrupted),
            Trouble::Guest(error, _) if overran_slice(&error.kind, &self.tenant.limits()) => Ok(Turn::Overran),
            Trouble::Guest(error, _) => {
                tracing::warn!(projection = %self.view.projection, %error, "a projection failed; its last events are folded again, one by one");
                self.careful_until = end.max(self.cursor);
                Ok(Turn::More)
            }
            Trouble::Overran => {
                if !self.stretch.given_up() {
                    self.careful_until = end.max(self.cursor);
                }
                Ok(if self.lane == Lane::Fast { Turn::Overran } else { Turn::More })
            }
            Trouble::Feed(error) => Err(error),
        }
    }

    fn hold_back(&mut self, reader: &Reader, is_beside: bool) -> Option<Duration> {
        let held_back = self.held_back.as_mut().filter(|_| is_beside)?;
        let wait = held_back.wait(reader.statistics().events, Instant::now());
        if wait.is_none() {
            self.held_back = None;
        }
        wait
    }

    fn take_limits(&mut self, lane: Lane, store: &TurnStore<'_>) -> Result<(), FeedError> {
        let own = self.tenant.limits();
        let limits = lane.limits(&own);
        if limits != self.limits {
            // The instance has the former limits.
            self.start_over();
            self.limits = limits;
        }
        self.lane = lane;
        if self.tried_with != Some(own) {
            if store.retry_with_limits(self.view.id, &as_text(&own))? {
                self.due = store.due(self.view.id)?;
            }
            self.tried_with = Some(own);
        }
        Ok(())
    }

    fn stretch_bytes(&mut self, reader: &Reader, is_careful: bool, is_beside: bool) -> usize {
        let recorded = reader.statistics().events;
        let is_busy = is_beside && std::mem::replace(&mut self.recorded, recorded) != recorded;
        match (is_careful, is_busy) {
            (true, _) => STRETCH_BYTES_MIN,
            (false, true) => self.stretch.bytes().min(STRETCH_BYTES_BESIDE),
            (false, false) => self.stretch.bytes(),
        }
    }

    /// Goes back to what is written.
    pub(super) fn start_over(&mut self) {
        self.close_documents();
        self.effects.clear();
        self.effect_bytes = 0;
        self.cursor = self.written;
    }

    /// Drops the instance, and with it all its documents.
    fn close_documents(&mut self) {
        self.documents.clear();
        self.changed.clear();
        self.instance = None;
    }

    /// The domain's events up to the first that the revision cannot read, and the position up to which they extend.
    fn events_of<'a>(&mut self, batch: &'a TenantBatch) -> (Vec<GuestEvent<'a>>, Position) {
        let domain = self.view.domain.as_str();
        // An upper bound: there may be events of other domains among them.
        let mut events = Vec::with_capacity((batch.last().0 - self.cursor.0) as usize);
        for (record, event) in batch.events().filter(|(record, _)| record.domain() == domain) {
            if !self.readable.can_read(record.aggregate(), event.name, event.version) {
                self.stopped_before = Some(event.position);
                return (events, Position(event.position.0 - 1));
            }
            events.push(guest_event(&record, event));
        }
        (events, batch.last())
    }
}

fn as_text(limits: &Limits) -> String {
    serde_json::to_string(limits).expect("numbers always serialize")
}
