//! Whether what is deployed does what it should, and what is done when it does not.
//!
//! - **Faults** ([`judgement`]): a revision that is new and fails too often is withdrawn: the domain goes back to the one before, and
//!   this one goes into quarantine. One that was good for long gets a broken circuit: its callers are told to come again
//!   later, and now and then one command is let through to see whether it is well again. What fails for one caller or one
//!   aggregate alone, and what is only larger than a limit allows, does neither.
//! - **Purity** ([`audit`]): a sample of live commands runs a second time, in a fresh instance and on a state folded from the
//!   journal. Where events or state differ, the guest remembers what is in no event; it is withdrawn. What was
//!   acknowledged stays: what happened, happened.
//!
//! Only what was deployed is judged; rules that a benchmark attaches are not.

mod audit;
mod judgement;
mod metrics;
mod origins;
mod record;
mod sample;
mod withdrawals;

pub(crate) use audit::{Audit, AuditCounts, STATE_BYTES_MAX};
pub(crate) use judgement::{CircuitState, Sentence};
pub(crate) use metrics::write;
pub(crate) use origins::Origin;
pub(crate) use record::{Health, Standing};
pub(crate) use sample::{Sample, SampledCommand, is_sampled};
pub(crate) use withdrawals::{Condemned, Ground, Withdrawals, carry_out};
