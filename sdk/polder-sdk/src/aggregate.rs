//! The write side, as an author sees it: a state, three enums and two functions.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::chart::StateChart;
use crate::context::Context;
use crate::describe::{CommandVariant, EventVariant};
use crate::messages::{Fault, Rejected};

/// A Mealy machine and a transaction at once: `(state, command) -> (state, events)`.
///
/// The type is the state; its `Default` is the state before the first event. [`#[aggregate]`](crate::aggregate) gives
/// it its name.
#[diagnostic::on_unimplemented(note = "an aggregate is a state with `#[aggregate(\"...\")]` and an `impl Aggregate`")]
pub trait Aggregate: AggregateInfo + Default + Serialize + DeserializeOwned + JsonSchema + Send + 'static {
    /// The commands that callers may send.
    type Command: Command;
    /// The events that may happen.
    type Event: Event;
    /// The reasons to refuse a command. [`Infallible`] where no command is ever refused.
    type Rejection: Rejection;

    /// Decides: returns the events that follow from `command` in this state, in order. An empty list means that there
    /// is nothing to do.
    /// # Errors
    /// Fails when the domain refuses the command; then nothing has happened.
    fn handle(&self, command: Self::Command, cx: &Context) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Applies `event` to the state. It holds no rules, because a recorded event is a fact.
    fn evolve(&mut self, event: &Self::Event);
}

/// The items that `#[aggregate]` adds.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no name as an aggregate",
    label = "the state of an aggregate carries `#[aggregate(\"...\")]`"
)]
pub trait AggregateInfo: Sized {
    const NAME: &'static str;
    const DOC: &'static str;
    /// The field that holds the state of the chart; empty without a chart.
    const CHART_FIELD: &'static str;
    /// The bound `StateChart` is here, and not at [`Aggregate`], so that the compiler reports a chart without
    /// `#[derive(StateChart)]` only once.
    type Chart: StateChart<Self>
    where
        Self: Aggregate;
    fn chart(&self) -> &Self::Chart
    where
        Self: Aggregate;
}

/// The commands of an aggregate: an enum with [`#[derive(Command)]`](derive@crate::Command).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of commands",
    label = "add `#[derive(Command)]` to this enum"
)]
pub trait Command: Sized + Send + 'static {
    #[doc(hidden)]
    const VARIANTS: &'static [CommandVariant];

    /// The Rust names of the variants, in the order of `VARIANTS`.
    #[doc(hidden)]
    const WORDS: &'static [&'static str];

    /// The index of this command among the variants.
    #[doc(hidden)]
    fn index(&self) -> usize;

    /// The name that callers use, such as `submit-order`.
    fn name(&self) -> &'static str;

    /// Reads the JSON that a caller sent, strictly.
    /// # Errors
    /// `unknown-command` for a name that is not in the enum; `invalid-payload` when the JSON does not fit the command,
    /// with the place and the expected form.
    fn read(name: &str, payload: &[u8]) -> Result<Self, Rejected>;
}

/// The events of an aggregate: an enum with [`#[derive(Event)]`](derive@crate::Event).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of events",
    label = "add `#[derive(Event)]` to this enum"
)]
pub trait Event: Sized + Send + 'static {
    #[doc(hidden)]
    const VARIANTS: &'static [EventVariant];

    /// The Rust names of the variants, in the order of `VARIANTS`.
    #[doc(hidden)]
    const WORDS: &'static [&'static str];

    /// The index of this event among the variants.
    #[doc(hidden)]
    fn index(&self) -> usize;

    /// The name under which the event is recorded, such as `order-submitted`.
    fn name(&self) -> &'static str;

    /// The version in which the event is recorded, from 1.
    fn version(&self) -> u32;

    /// Reads a recorded event in any version that the enum knows, and brings it to the newest version. Unknown fields
    /// are ignored, so that a field can be added without a new version and the older revision still reads the event.
    /// # Errors
    /// Fails when there is no such event or version, or when the JSON does not have its shape.
    fn read(name: &str, version: u32, payload: &[u8]) -> Result<Self, Fault>;

    /// The JSON to record.
    /// # Errors
    /// Fails when a value has no JSON form, such as a map whose keys are not text.
    fn write(&self) -> Result<Vec<u8>, Fault>;
}

/// The reasons to refuse a command: an enum with [`#[derive(Rejection)]`](derive@crate::Rejection).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of rejections",
    label = "add `#[derive(Rejection)]` to this enum"
)]
pub trait Rejection {
    /// The stable, machine-readable code, such as `already-submitted`.
    fn code(&self) -> &'static str;

    /// The message for people.
    fn message(&self) -> String;
}

impl Rejection for Infallible {
    fn code(&self) -> &'static str {
        match *self {}
    }

    fn message(&self) -> String {
        match *self {}
    }
}
