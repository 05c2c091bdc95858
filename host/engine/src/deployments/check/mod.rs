//! The checks that a revision must pass before it takes over a domain:
//!
//! 1. It must be able to read all events of the history.
//! 2. It must fold the history without a fault.
//! 3. It must arrive at the same states as the revision before, unless changes are accepted.
//!
//! The revision check works beside the write path and never stops it. Events that are recorded meanwhile are checked
//! too, and those recorded until the switch are checked right after it.

mod charts;
mod check_error;
mod difference;
mod findings;
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

pub(crate) use check_error::CheckError;
pub use difference::{Change, Difference};
pub use places::DifferingPlace;
pub(crate) use revision_check::{Candidate, Judged, RevisionCheck};
pub use revision_check::{CheckProgress, CheckStage, REPLAY_EVENTS_MAX, ReplayScope};
pub use verdict::{CheckRefusal, EventPlace, LostState, ReplayReport, UnreadableEvents, Verdict};
