//! Whether an active revision works as it should. A new revision that fails too often is to be withdrawn: the domain
//! goes back to the revision before, and the bad one is quarantined. A revision that was good for long gets a circuit
//! breaker: its callers are asked to retry later, and now and then one command is admitted to test whether it works
//! again.
//! Failures that concern one caller or one aggregate only, and commands that exceed a limit, have neither effect.
//!
//! Only deployed revisions are judged; rules that a benchmark attaches are not.

mod judgement;
mod origins;
mod record;

pub(crate) use judgement::{CircuitAction, CircuitState};
pub(crate) use origins::Origin;
pub(crate) use record::{Health, Probation};
