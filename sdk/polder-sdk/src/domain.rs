//! A domain without WebAssembly: bytes in, bytes out, the state kept in between. The component is a thin cover over this, and so are
//! the test kit and whoever wants to measure what the rules alone cost.

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

/// One bounded context: its aggregates and projections. [`domain!`](crate::domain!) makes one.
pub struct Domain {
    name: &'static str,
    aggregates: Vec<AggregateEntry>,
    projections: Vec<ProjectionEntry>,
    /// Built at the first question: a host asks once per component, a benchmark never.
    descriptor: LazyLock<String, Box<dyn FnOnce() -> String + Send>>,
}

#[derive(Clone, Copy)]
struct AggregateEntry {
    name: &'static str,
    describe: fn() -> Value,
    start: fn(&str) -> State,
    load: fn(&str, &[u8]) -> Result<State, Fault>,
}

/// The keys of the documents that each event belongs to.
type Route = fn(&[EventRef<'_>]) -> Result<Vec<Vec<String>>, Fault>;

#[derive(Clone, Copy)]
struct ProjectionEntry {
    name: &'static str,
    describe: fn() -> Value,
    route: Route,
    open: fn(&str, Option<&[u8]>) -> Result<Document, Fault>,
}

impl Domain {
    /// A domain of this name with nothing in it.
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

    /// What the domain is, in JSON: its aggregates with commands, events and charts, its projections, and the schemas of all of it.
    pub fn describe(&self) -> &str {
        &self.descriptor
    }

    /// The state of an aggregate before its first event.
    /// # Errors
    /// When the domain has no such aggregate.
    pub fn start(&self, aggregate: &str, id: &str) -> Result<State, Fault> {
        Ok((self.aggregate_entry(aggregate)?.start)(id))
    }

    /// The state that [`State::save`] gave.
    /// # Errors
    /// When the domain has no such aggregate, or the bytes are not such a state.
    pub fn load(&self, aggregate: &str, id: &str, saved: &[u8]) -> Result<State, Fault> {
        (self.aggregate_entry(aggregate)?.load)(id, saved)
    }

    /// The keys of the documents each event touches, in the order of the events.
    /// # Errors
    /// When the domain has no such projection, or an event cannot be read.
    pub fn route(&self, projection: &str, events: &[EventRef<'_>]) -> Result<Vec<Vec<String>>, Fault> {
        (self.projection_entry(projection)?.route)(events)
    }

    /// The document that [`Document::save`] gave, or one that is not there yet.
    /// # Errors
    /// When the domain has no such projection, or the bytes are not such a document.
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

/// The state of one aggregate, whichever it is.
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

    /// Folds events in, in order of their sequence. Folding in parts gives what folding at once gives.
    /// # Errors
    /// At the first event that cannot be read; those before it are folded in, so this state is of no more use.
    pub fn evolve(&mut self, events: &[EventRef<'_>]) -> Result<(), Fault> {
        events.iter().try_for_each(|event| self.0.evolve(event))
    }

    /// Decides a command, and folds the new events in. After a rejection the state is as it was.
    /// # Errors
    /// [`Refused::Rejected`] is the caller's to fix. [`Refused::Fault`] is the author's: the decision breaks the chart, an event has no JSON or
    /// would not read back, or a number of the state is not finite any more; the state may have changed, so it is of no more use.
    pub fn handle(&mut self, command: &CommandRef<'_>) -> Result<Vec<NewEvent>, Refused> {
        self.0.handle(command)
    }

    /// The state as bytes, which only [`Domain::load`] of the same revision reads.
    /// # Errors
    /// When it has no JSON, as a number that is infinite, or a map whose keys are no text.
    pub fn save(&self) -> Result<Vec<u8>, Fault> {
        self.0.save()
    }

    /// The state as JSON, for people.
    /// # Errors
    /// As [`save`](Self::save).
    pub fn inspect(&self) -> Result<String, Fault> {
        String::from_utf8(self.save()?).map_err(|error| Fault::new(error.to_string()))
    }
}

impl<A: Aggregate> AnyState for Kept<A> {
    fn evolve(&mut self, event: &EventRef<'_>) -> Result<(), Fault> {
        // The chart is not asked: what happened, happened, whatever a later chart says.
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
            // What is folded is what will be read: so a state that lives on is the one that a replay gives, whatever the author's types do.
            let recorded = match A::Event::read(new.name, new.version, &new.payload) {
                Ok(recorded) => recorded,
                Err(_) if payload::is_nested_too_deep(&new.payload) => {
                    // The host allows fewer levels. It refuses the decision by the name of that limit, as the caller's mistake.
                    new_events.push(new);
                    return Ok(new_events);
                }
                Err(fault) => return Err(Fault::new(format!("what was decided would not read back: {fault}")).into()),
            };
            chart::evolve_checked(&mut self.state, &recorded)?;
            new_events.push(new);
        }
        if !new_events.is_empty() && holds_floats::<A>() {
            // The events are finite; what is folded from them need not be.
            self.save()?;
        }
        Ok(new_events)
    }

    fn save(&self) -> Result<Vec<u8>, Fault> {
        finite::to_vec(&self.state).map_err(|problem| Fault::new(format!("this {} has no JSON: {problem}", A::NAME)))
    }
}

/// Whether a state may hold a float, which may come to be infinite. By its schema, once for each type.
fn holds_floats<A: Aggregate>() -> bool {
    static KNOWN: Mutex<BTreeMap<TypeId, bool>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(TypeId::of::<A>()).or_insert_with(|| describe::mentions_floats(&describe::schema_of::<A>()))
}

/// One document of a projection, whichever it is.
pub struct Document(Box<dyn AnyDocument>);

trait AnyDocument: Send {
    fn apply(&mut self, event: &EventRef<'_>) -> Result<(), Fault>;
    fn take_effects(&mut self) -> Vec<Effect>;
    fn save(&self) -> Result<Option<Vec<u8>>, Fault>;
}

impl Document {
    /// Folds events in: those that [`Domain::route`] sent to this key, in order of their position.
    /// # Errors
    /// At the first event that cannot be applied; those before it are folded in, so this document is of no more use.
    pub fn apply(&mut self, events: &[EventRef<'_>]) -> Result<Vec<Effect>, Fault> {
        events.iter().try_for_each(|event| self.0.apply(event))?;
        Ok(self.0.take_effects())
    }

    /// The document as JSON; none when it is to be gone.
    /// # Errors
    /// When it has no JSON, as a number that is infinite, or a map whose keys are no text.
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
