//! State charts: the moves that an aggregate can make. A chart holds what is allowed, and not the reasons.

use crate::aggregate::{Aggregate, Command};
use crate::messages::{Fault, Rejected};

/// The life cycle of the aggregate `A`: an enum of its states with [`#[derive(StateChart)]`](derive@crate::StateChart).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a state chart of `{A}`",
    label = "add `#[derive(StateChart)]` and `#[chart(aggregate = {A})]` to this enum"
)]
pub trait StateChart<A: Aggregate>: Sized + 'static {
    #[doc(hidden)]
    const STATES: &'static [&'static str];
    #[doc(hidden)]
    const MOVES: &'static [Move];

    /// The name of this state, such as `submitted`.
    fn name(&self) -> &'static str;

    /// Whether the chart allows `command` in this state.
    fn allows(&self, command: &A::Command) -> bool;

    /// The state that `event` leads to from this one; none when the chart has no such move.
    fn after(&self, event: &A::Event) -> Option<Self>;
}

/// One line of a chart, with the Rust names of command and event. An empty event means that the command is allowed and
/// leads to no event.
#[doc(hidden)]
#[derive(Debug)]
pub struct Move {
    pub from: &'static str,
    pub command: &'static str,
    pub event: &'static str,
    pub to: &'static str,
}

/// The chart of an aggregate that declares none: it allows every command.
#[doc(hidden)]
pub struct NoChart;

impl<A: Aggregate> StateChart<A> for NoChart {
    const STATES: &'static [&'static str] = &[];
    const MOVES: &'static [Move] = &[];

    fn name(&self) -> &'static str {
        ""
    }

    fn allows(&self, _: &A::Command) -> bool {
        true
    }

    fn after(&self, _: &A::Event) -> Option<Self> {
        Some(Self)
    }
}

/// Rejects a command that the chart does not allow in this state.
pub(crate) fn check_command<A: Aggregate>(state: &A, command: &A::Command) -> Result<(), Rejected> {
    let chart = state.chart();
    if chart.allows(command) {
        return Ok(());
    }
    let mut possible: Vec<&str> = A::Chart::MOVES
        .iter()
        .filter(|step| step.from == chart.name())
        .filter_map(|step| A::Command::VARIANTS.iter().find(|variant| variant.variant == step.command))
        .map(|variant| variant.name)
        .collect();
    possible.dedup();
    let possible = match possible.as_slice() {
        [] => "nothing is possible any more".to_owned(),
        possible => format!("possible now: {}", possible.join(", ")),
    };
    Err(Rejected::new(
        "not-allowed-in-state",
        format!("{} is not possible while the {} is {}; {possible}", command.name(), A::NAME, chart.name()),
    ))
}

/// Applies a new event and checks the author's code against the chart: the chart must have the move, and `evolve` must
/// have made it.
pub(crate) fn evolve_checked<A: Aggregate>(state: &mut A, event: &A::Event) -> Result<(), Fault> {
    if A::Chart::STATES.is_empty() {
        state.evolve(event);
        return Ok(());
    }
    use crate::aggregate::Event;
    let from = state.chart().name();
    let Some(expected) = state.chart().after(event) else {
        return Err(Fault::new(format!("the chart of {} has no move by {} from {from}", A::NAME, event.name())));
    };
    state.evolve(event);
    let (expected, found) = (expected.name(), state.chart().name());
    if expected != found {
        return Err(Fault::new(format!(
            "by the chart of {} {} leads from {from} to {expected}, but evolve led to {found}",
            A::NAME,
            event.name()
        )));
    }
    Ok(())
}
