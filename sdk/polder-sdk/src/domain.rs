//! A domain without WebAssembly: bytes in, bytes out, and the state kept in between. The component, the test kit and
//! benchmarks of the rules alone are thin layers over it.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::{Map, Value, json};

use crate::aggregate::{Aggregate, Command, Event, Rejection};
use crate::chart;
use crate::context::Context;
use crate::describe::{self, DESCRIPTOR_FORMAT};
use crate::finite;
use crate::messages::{CommandRef, EventRef, Fault, NewEvent, Refused, Rejected};
use crate::payload;
use crate::projection::{Documents, Effect, Projection, Recorded};

/// One bounded context: its aggregates and projections. [`domain!`](crate::domain!) builds it.
pub struct Domain {
    name: &'static str,
    aggregates: Vec<AggregateEntry>,
    projections: Vec<ProjectionEntry>,
    /// Built at the first use: a host asks for it once per component, a benchmark never.
    descriptor: LazyLock<String, Box<dyn FnOnce() -> String + Send>>,
}

#[derive(Clone, Copy)]
struct AggregateEntry {
    name: &'static str,
    describe: fn() -> Value,
    start: fn(&str) -> State,
    load: fn(&str, &[u8]) -> Result<State, Fault>,
}

/// A function that returns the keys of the documents that each event belongs to.
type Route = fn(&[EventRef<'_>]) -> Result<Vec<Vec<String>>, Fault>;

#[derive(Clone, Copy)]
struct ProjectionEntry {
    name: &'static str,
    describe: fn() -> Value,
    route: Route,
    open: fn(&str, Option<&[u8]>) -> Result<Document, Fault>,
}

impl Domain {
    /// An empty domain with this name.
    #[doc(hidden)]
    pub fn new(name: &'static str) -> Self {
        Self { name, aggregates: Vec::new(), projections: Vec::new(), descriptor: LazyLock::new(Box::new(String::new)) }
    }

    #[doc(hidden)]
    #[must_use]
    pub fn aggregate<A: Aggregate>(mut self) -> Self {
        self.aggregates.push(AggregateEntry {
            name: A::NAME,
            describe: describe::aggregate::<A>,
            start: |id| State::of(id, A::default()),
            load: |id, saved| {
                let state: A = serde_json::from_slice(saved)
                    .map_err(|error| Fault::new(format!("these bytes are no saved {}: {error}", A::NAME)))?;
                Ok(State::of(id, state))
            },
        });
        self.describe_later()
    }

    #[doc(hidden)]
    #[must_use]
    pub fn projection<P: Projection>(mut self) -> Self {
        self.projections.push(ProjectionEntry {
            name: P::NAME,
            describe: describe::projection::<P>,
            route: |events| {
                events
                    .iter()
                    .map(|event| match Recorded::read(event)? {
                        Some(event) => Documents::<P>::route(&event),
                        None => Ok(Vec::new()),
                    })
                    .collect()
            },
            open: |key, saved| {
                let document: Option<P> = saved.map(serde_json::from_slice).transpose().map_err(|error| {
                    Fault::new(format!("these bytes are no document {key:?} of {}: {error}", P::NAME))
                })?;
                Ok(Document(Box::new(Documents::at_hand(key, document))))
            },
        });
        self.describe_later()
    }

    fn describe_later(mut self) -> Self {
        let (name, aggregates, projections) = (self.name, self.aggregates.clone(), self.projections.clone());
        self.descriptor = LazyLock::new(Box::new(move || {
            let aggregates: Map<String, Value> =
                aggregates.iter().map(|entry| (entry.name.to_owned(), (entry.describe)())).collect();
            let projections: Map<String, Value> =
                projections.iter().map(|entry| (entry.name.to_owned(), (entry.describe)())).collect();
            json!({
                "format": DESCRIPTOR_FORMAT, "domain": name, "aggregates": aggregates, "projections": projections,
            })
            .to_string()
        }));
        self
    }

    /// The name of the domain.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The description of the domain in JSON: its aggregates with commands, events and charts, its projections, and all
    /// their schemas.
    pub fn describe(&self) -> &str {
        &self.descriptor
    }

    /// The state of an aggregate before its first event.
    /// # Errors
    /// Fails when the domain has no such aggregate.
    pub fn start(&self, aggregate: &str, id: &str) -> Result<State, Fault> {
        Ok((self.aggregate_entry(aggregate)?.start)(id))
    }

    /// Restores a state from the bytes that [`State::save`] returned.
    /// # Errors
    /// Fails when the domain has no such aggregate, or when the bytes are not a state of it.
    pub fn load(&self, aggregate: &str, id: &str, saved: &[u8]) -> Result<State, Fault> {
        (self.aggregate_entry(aggregate)?.load)(id, saved)
    }

    /// The keys of the documents that each event touches, in the order of the events.
    /// # Errors
    /// Fails when the domain has no such projection, or when an event cannot be read.
    pub fn route(&self, projection: &str, events: &[EventRef<'_>]) -> Result<Vec<Vec<String>>, Fault> {
        (self.projection_entry(projection)?.route)(events)
    }

    /// Restores a document from the bytes that [`Document::save`] returned. Without bytes, the document does not exist
    /// yet.
    /// # Errors
    /// Fails when the domain has no such projection, or when the bytes are not a document of it.
    pub fn open(&self, projection: &str, key: &str, saved: Option<&[u8]>) -> Result<Document, Fault> {
        (self.projection_entry(projection)?.open)(key, saved)
    }

    fn aggregate_entry(&self, name: &str) -> Result<&AggregateEntry, Fault> {
        self.aggregates.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.aggregates.iter().map(|entry| entry.name).collect();
            Fault::new(format!("{} has no aggregate {name:?}; it has {}", self.name, listed(&known)))
        })
    }

    fn projection_entry(&self, name: &str) -> Result<&ProjectionEntry, Fault> {
        self.projections.iter().find(|entry| entry.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.projections.iter().map(|entry| entry.name).collect();
            Fault::new(format!("{} has no projection {name:?}; it has {}", self.name, listed(&known)))
        })
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// The state of one aggregate of any kind.
pub struct State(Box<dyn AnyState>);

trait AnyState: Send {
    fn evolve(&mut self, event: &EventRef<'_>) -> Result<(), Fault>;
    fn handle(&mut self, command: &CommandRef<'_>) -> Result<Vec<NewEvent>, Refused>;
    fn save(&self) -> Result<Vec<u8>, Fault>;
}

struct Kept<A> {
    state: A,
    cx: Context,
}

impl State {
    fn of<A: Aggregate>(id: &str, state: A) -> Self {
        Self(Box::new(Kept { state, cx: Context::new(A::NAME, id) }))
    }

    /// Applies events in the order of their sequence. Applying them in parts gives the same state as applying them at
    /// once.
    /// # Errors
    /// Fails at the first event that cannot be read. The events before it are already applied, so discard this state.
    pub fn evolve(&mut self, events: &[EventRef<'_>]) -> Result<(), Fault> {
        events.iter().try_for_each(|event| self.0.evolve(event))
    }

    /// Decides a command and applies the new events. After a rejection the state is unchanged.
    /// # Errors
    /// - [`Refused::Rejected`] is for the caller to fix.
    /// - [`Refused::Fault`] is for the author to fix: the decision breaks the chart, an event has no JSON form or
    ///   cannot be read back, or a number of the state is no longer finite. The state may have changed, so discard it.
    pub fn handle(&mut self, command: &CommandRef<'_>) -> Result<Vec<NewEvent>, Refused> {
        self.0.handle(command)
    }

    /// The state as bytes. Only [`Domain::load`] of the same revision reads them.
    /// # Errors
    /// Fails when the state has no JSON form, for example an infinite number, or a map whose keys are not text.
    pub fn save(&self) -> Result<Vec<u8>, Fault> {
        self.0.save()
    }

    /// The state as JSON, for people.
    /// # Errors
    /// Fails as [`save`](Self::save) does.
    pub fn inspect(&self) -> Result<String, Fault> {
        String::from_utf8(self.save()?).map_err(|error| Fault::new(error.to_string()))
    }
}

impl<A: Aggregate> AnyState for Kept<A> {
    fn evolve(&mut self, event: &EventRef<'_>) -> Result<(), Fault> {
        // The chart is not checked: a recorded event is a fact, even when a later chart does not have the move.
        self.state.evolve(&A::Event::read(event.name, event.version, event.payload)?);
        Ok(())
    }

    fn handle(&mut self, command: &CommandRef<'_>) -> Result<Vec<NewEvent>, Refused> {
        self.cx.turn_to(command);
        let command = A::Command::read(command.name, command.payload)?;
        chart::check_command(&self.state, &command)?;
        let events = self.state.handle(command, &self.cx).map_err(|rejection| {
            Refused::Rejected(Rejected { code: rejection.code().into(), message: rejection.message() })
        })?;
        let mut new_events = Vec::with_capacity(events.len());
        for event in events {
            let new = NewEvent { name: event.name(), version: event.version(), payload: event.write()? };
            // The event is read back from its JSON before it is applied. So a live state equals the state after a
            // replay, whatever the author's types do.
            let recorded = match A::Event::read(new.name, new.version, &new.payload) {
                Ok(recorded) => recorded,
                Err(_) if payload::is_nested_too_deep(&new.payload) => {
                    // The host allows fewer levels. It refuses the decision with the name of that limit, as the
                    // caller's mistake.
                    new_events.push(new);
                    return Ok(new_events);
                }
                Err(fault) => return Err(Fault::new(format!("what was decided would not read back: {fault}")).into()),
            };
            chart::evolve_checked(&mut self.state, &recorded)?;
            new_events.push(new);
        }
        if !new_events.is_empty() && holds_floats::<A>() {
            // The events are finite, but a number computed from them may not be.
            self.save()?;
        }
        Ok(new_events)
    }

    fn save(&self) -> Result<Vec<u8>, Fault> {
        finite::to_vec(&self.state).map_err(|problem| Fault::new(format!("this {} has no JSON: {problem}", A::NAME)))
    }
}

/// Whether a state may hold a float, which could become infinite. Found from its schema, once for each type.
fn holds_floats<A: Aggregate>() -> bool {
    static KNOWN: Mutex<BTreeMap<TypeId, bool>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(TypeId::of::<A>()).or_insert_with(|| describe::mentions_floats(&describe::schema_of::<A>()))
}

/// One document of a projection of any kind.
pub struct Document(Box<dyn AnyDocument>);

trait AnyDocument: Send {
    fn apply(&mut self, event: &EventRef<'_>) -> Result<(), Fault>;
    fn take_effects(&mut self) -> Vec<Effect>;
    fn save(&self) -> Result<Option<Vec<u8>>, Fault>;
}

impl Document {
    /// Applies the events that [`Domain::route`] sent to this key, in the order of their position. Returns their
    /// effects.
    /// # Errors
    /// Fails at the first event that cannot be applied. The events before it are already applied, so discard this
    /// document.
    pub fn apply(&mut self, events: &[EventRef<'_>]) -> Result<Vec<Effect>, Fault> {
        events.iter().try_for_each(|event| self.0.apply(event))?;
        Ok(self.0.take_effects())
    }

    /// The document as JSON; none when the projection deleted it.
    /// # Errors
    /// Fails when the document has no JSON form, for example an infinite number, or a map whose keys are not text.
    pub fn save(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.0.save()
    }
}

impl<P: Projection> AnyDocument for Documents<P> {
    fn apply(&mut self, event: &EventRef<'_>) -> Result<(), Fault> {
        match Recorded::read(event)? {
            Some(event) => Documents::apply(self, &event),
            None => Ok(()),
        }
    }

    fn take_effects(&mut self) -> Vec<Effect> {
        Documents::take_effects(self)
    }

    fn save(&self) -> Result<Option<Vec<u8>>, Fault> {
        let saved = self.document().map(finite::to_vec).transpose();
        saved.map_err(|problem| Fault::new(format!("this document of {} has no JSON: {problem}", P::NAME)))
    }
}
