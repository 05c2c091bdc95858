//! The write side as an author sees it: a state, three enums and two functions.

use std::convert::Infallible;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::chart::StateChart;
use crate::context::Context;
use crate::describe::{CommandVariant, EventVariant};
use crate::messages::{Fault, Rejected};

/// A Mealy machine, and a transaction: `(state, command) -> (state, events)`.
///
/// The type is the state; its `Default` is the state before the first event. [`#[aggregate]`](crate::aggregate) names it.
#[diagnostic::on_unimplemented(note = "an aggregate is a state with `#[aggregate(\"...\")]` and an `impl Aggregate`")]
pub trait Aggregate:
    AggregateInfo<Chart: StateChart<Self>> + Default + Serialize + DeserializeOwned + JsonSchema + Send + 'static
{
    /// What may be asked.
    type Command: Command;
    /// What may have happened.
    type Event: Event;
    /// Why not. [`Infallible`] where nothing is ever refused.
    type Rejection: Rejection;

    /// Decides: the events that follow from `command` in this state, in order. None means that there is nothing to do.
    /// # Errors
    /// When the domain says no; nothing has happened then.
    fn handle(&self, command: Self::Command, cx: &Context) -> Result<Vec<Self::Event>, Self::Rejection>;

    /// Brings the state up to date. No rules here: what happened, happened.
    fn evolve(&mut self, event: &Self::Event);
}

/// What `#[aggregate]` adds.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no name as an aggregate",
    label = "the state of an aggregate carries `#[aggregate(\"...\")]`"
)]
pub trait AggregateInfo {
    const NAME: &'static str;
    const DOC: &'static str;
    /// The field that holds the place in the chart; empty without one.
    const CHART_FIELD: &'static str;
    type Chart: 'static;
    fn chart(&self) -> &Self::Chart;
}

/// The commands of an aggregate: an enum, by [`#[derive(Command)]`](derive@crate::Command).
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

    /// Its place among the variants.
    #[doc(hidden)]
    fn index(&self) -> usize;

    /// The name that callers use: `submit-order`.
    fn name(&self) -> &'static str;

    /// Reads the JSON a caller sent, strictly.
    /// # Errors
    /// `unknown-command` for a name that is none of these; `invalid-payload` when the JSON is not what the command takes, with the
    /// place and what would be right.
    fn read(name: &str, payload: &[u8]) -> Result<Self, Rejected>;
}

/// The events of an aggregate: an enum, by [`#[derive(Event)]`](derive@crate::Event).
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

    /// Its place among the variants.
    #[doc(hidden)]
    fn index(&self) -> usize;

    /// The name it is recorded by: `order-submitted`.
    fn name(&self) -> &'static str;

    /// The version it is recorded in, from 1.
    fn version(&self) -> u32;

    /// Reads what was recorded, in any version that the enum knows, and brings it up to date. Fields that are not known are passed
    /// over, so that a field may be added without a new version and the revision before still reads it.
    /// # Errors
    /// When there is no such event or version, or the JSON is not of its shape.
    fn read(name: &str, version: u32, payload: &[u8]) -> Result<Self, Fault>;

    /// The JSON to record.
    /// # Errors
    /// When a value has no JSON, as a map whose keys are no text.
    fn write(&self) -> Result<Vec<u8>, Fault>;
}

/// The reasons to refuse a command: an enum, by [`#[derive(Rejection)]`](derive@crate::Rejection).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of rejections",
    label = "add `#[derive(Rejection)]` to this enum"
)]
pub trait Rejection {
    /// Stable and machine-readable: `already-submitted`.
    fn code(&self) -> &'static str;

    /// For people.
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
