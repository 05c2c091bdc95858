//! The read side, as an author sees it: a document type and one function.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::finite;
use crate::messages::{EventRef, Fault};
use crate::timestamp::Timestamp;

/// A read model: documents of this type, each built from the events that touch it.
pub trait Projection: ProjectionInfo + Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// The events that it reads: those of one aggregate, or of several with
    /// [`#[derive(Source)]`](derive@crate::Source).
    type Event: Source;

    /// Declares which documents `event` touches, and how each one changes. The changes run later, when the document is
    /// loaded. The keys of the documents must follow from the event alone.
    fn project(event: &Recorded<Self::Event>, documents: &mut Documents<Self>);
}

/// The items that `#[projection]` adds.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no name as a projection",
    label = "the document of a projection carries `#[projection(\"...\")]`"
)]
pub trait ProjectionInfo {
    const NAME: &'static str;
    const DOC: &'static str;
    /// Whether each event touches the document of its aggregate and no other.
    const IS_PER_AGGREGATE: bool;
}

/// Events that a projection can read. The events of every aggregate are a source.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a source of events for a projection",
    label = "the events of an aggregate are one; for several aggregates derive `Source` for an enum of their events"
)]
pub trait Source: Sized + Send + 'static {
    /// The kinds of aggregates whose events are read.
    #[doc(hidden)]
    const AGGREGATES: &'static [&'static str];

    /// Reads `event`; none when it happened to an aggregate of another kind.
    /// # Errors
    /// Fails when the aggregate's kind is in the source, but the event's name, version or shape is unknown.
    fn read(event: &EventRef<'_>) -> Result<Option<Self>, Fault>;
}

/// A recorded event and the circumstances of its recording.
#[derive(Debug, Clone)]
pub struct Recorded<E> {
    /// The fact itself.
    pub data: E,
    /// The id of the aggregate that it happened to.
    pub aggregate_id: String,
    /// Place in the aggregate's own history, from 1.
    pub sequence: u64,
    /// Place in the tenant's history, from 1.
    pub position: u64,
    /// The time at which the host accepted the command that caused it, in milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
}

impl<E: Source> Recorded<E> {
    pub(crate) fn read(event: &EventRef<'_>) -> Result<Option<Self>, Fault> {
        Ok(E::read(event)?.map(|data| Self {
            data,
            aggregate_id: event.aggregate_id.to_owned(),
            sequence: event.sequence,
            position: event.position,
            at_ms: event.at_ms,
        }))
    }
}

impl<E> Recorded<E> {
    /// [`at_ms`](Self::at_ms) as a point in time.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.at_ms)
    }
}

/// The documents of a projection, for one event: the projection names the documents that the event touches and changes
/// them.
///
/// A key is any text. Keys that are valid path segments need no escaping by readers.
pub struct Documents<D> {
    mode: Mode<D>,
    fault: Option<Fault>,
}

/// Each event passes twice: once to find its keys, and once per document to change it.
enum Mode<D> {
    Routing { keys: Vec<String> },
    Applying { key: String, document: Option<D>, effects: Vec<Effect> },
}

impl<D: Projection> Documents<D> {
    /// The keys that `event` touches.
    pub(crate) fn route(event: &Recorded<D::Event>) -> Result<Vec<String>, Fault> {
        if D::IS_PER_AGGREGATE {
            return Ok(vec![event.aggregate_id.clone()]);
        }
        let mut documents = Self { mode: Mode::Routing { keys: Vec::new() }, fault: None };
        D::project(event, &mut documents);
        match documents {
            Self { fault: Some(fault), .. } => Err(fault),
            Self { mode: Mode::Routing { keys }, .. } => Ok(keys),
            Self { .. } => Ok(Vec::new()),
        }
    }

    /// The one document `key`, ready to apply events.
    pub(crate) fn at_hand(key: &str, document: Option<D>) -> Self {
        Self { mode: Mode::Applying { key: key.to_owned(), document, effects: Vec::new() }, fault: None }
    }

    /// Applies `event` to this document.
    pub(crate) fn apply(&mut self, event: &Recorded<D::Event>) -> Result<(), Fault> {
        D::project(event, self);
        if let Mode::Applying { effects, .. } = &mut self.mode
            && let Some(problem) = effects.iter_mut().find_map(|effect| effect.problem.take())
        {
            return Err(Fault::new(problem));
        }
        self.fault.take().map_or(Ok(()), Err)
    }

    pub(crate) fn document(&self) -> Option<&D> {
        match &self.mode {
            Mode::Routing { .. } => None,
            Mode::Applying { document, .. } => document.as_ref(),
        }
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        match &mut self.mode {
            Mode::Routing { .. } => Vec::new(),
            Mode::Applying { effects, .. } => std::mem::take(effects),
        }
    }

    /// Stores `document` under `key`, whether or not a document existed.
    pub fn put(&mut self, key: impl AsRef<str>, document: D) {
        self.touch(key.as_ref(), |kept, _| {
            *kept = Some(document);
            Ok(())
        });
    }

    /// Changes the document `key`, which must exist: otherwise the event cannot be applied, and the host sets it aside
    /// with the reason. `change` returns what the host has to do: nothing, an [`Effect`], or several.
    pub fn change<E: Effects>(&mut self, key: impl AsRef<str>, change: impl FnOnce(&mut D) -> E) {
        self.touch(key.as_ref(), |kept, effects| {
            let document = kept.as_mut().ok_or("there is no such document to change")?;
            change(document).add_to(effects);
            Ok(())
        });
    }

    /// Changes the document `key`, or a default one if it does not exist yet. `change` returns what the host has to do:
    /// nothing, an [`Effect`], or several.
    pub fn upsert<E: Effects>(&mut self, key: impl AsRef<str>, change: impl FnOnce(&mut D) -> E)
    where
        D: Default,
    {
        self.touch(key.as_ref(), |kept, effects| {
            change(kept.get_or_insert_default()).add_to(effects);
            Ok(())
        });
    }

    /// Removes the document `key`, if it exists.
    pub fn delete(&mut self, key: impl AsRef<str>) {
        self.touch(key.as_ref(), |kept, _| {
            *kept = None;
            Ok(())
        });
    }

    fn touch(&mut self, key: &str, change: impl FnOnce(&mut Option<D>, &mut Vec<Effect>) -> Result<(), &'static str>) {
        match &mut self.mode {
            Mode::Routing { keys } => {
                if !keys.iter().any(|known| known == key) {
                    keys.push(key.to_owned());
                }
            }
            Mode::Applying { key: at_hand, document, effects } => {
                let changed = match at_hand == key {
                    true => change(document, effects),
                    false if D::IS_PER_AGGREGATE => {
                        Err("the projection says `per_aggregate`, and this is not the event's")
                    }
                    false => Ok(()),
                };
                if let Err(problem) = changed {
                    let fault = Fault::new(format!("document {key:?} of {}: {problem}", D::NAME));
                    self.fault.get_or_insert(fault);
                }
            }
        }
    }
}

/// An action for the host, as data. The host keeps one effect per key, so that a rebuild repeats nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// The action, such as `notify`.
    pub kind: String,
    /// The person or thing that it concerns.
    pub target: String,
    /// Unique among the effects of the projection.
    pub key: String,
    /// The details: a JSON object.
    pub particulars: Map<String, Value>,
    /// The reason why a detail has no JSON form.
    problem: Option<String>,
}

impl Effect {
    /// An effect without details.
    pub fn new(kind: impl Into<String>, target: impl Into<String>, key: impl Into<String>) -> Self {
        Self { kind: kind.into(), target: target.into(), key: key.into(), particulars: Map::new(), problem: None }
    }

    /// The same effect with one more detail. If the value has no JSON form, for example an infinite number, the event
    /// cannot be applied, and the host sets it aside with the reason.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Serialize) -> Self {
        let name = name.into();
        match finite::to_value(&value) {
            Ok(value) => drop(self.particulars.insert(name, value)),
            Err(problem) => {
                self.problem.get_or_insert(format!("effect {} has no JSON for {name}: {problem}", self.kind));
            }
        }
        self
    }

    /// The details as JSON.
    pub fn payload(&self) -> String {
        // The alternate form of a value would be indented; this form is compact.
        Value::Object(self.particulars.clone()).to_string()
    }
}

/// The types that a change may return: `()`, an [`Effect`], an `Option` or a `Vec` of them.
#[diagnostic::on_unimplemented(
    message = "a change returns nothing, an `Effect`, an `Option<Effect>` or a `Vec<Effect>`"
)]
pub trait Effects {
    #[doc(hidden)]
    fn add_to(self, effects: &mut Vec<Effect>);
}

impl Effects for () {
    fn add_to(self, _: &mut Vec<Effect>) {}
}

impl Effects for Effect {
    fn add_to(self, effects: &mut Vec<Effect>) {
        effects.push(self);
    }
}

impl Effects for Option<Effect> {
    fn add_to(self, effects: &mut Vec<Effect>) {
        effects.extend(self);
    }
}

impl Effects for Vec<Effect> {
    fn add_to(self, effects: &mut Vec<Effect>) {
        effects.extend(self);
    }
}
