//! The checks that a revision must pass before it takes over a domain:
//!
//! 1. It must be able to read all events of the history.
//! 2. It must fold the history without a fault.
//! 3. It must arrive at the same states as the revision before, unless changes are accepted.
//!
//! The gate works beside the write path and never stops it. Events that are recorded meanwhile are checked too, and
//! those recorded until the switch are checked right after it.

mod charts;
mod difference;
mod findings;
mod gate_error;
mod inventory;
mod part;
mod places;
mod replay;
mod revision_check;
mod side;
mod subject;
#[cfg(test)]
mod tests;
mod verdict;

pub use difference::{Change, Difference};
pub(crate) use gate_error::GateError;
pub use places::DifferingPlace;
pub(crate) use revision_check::{Candidate, Gate, Judged};
pub use revision_check::{GateProgress, GateStage, REPLAY_EVENTS_MAX, ReplayScope};
pub use verdict::{EventPlace, GateRefusal, LostState, ReplayReport, UnreadableEvents, Verdict};
