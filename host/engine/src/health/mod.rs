//! Checks whether deployed revisions work as they should, and acts when they do not.
//!
//! - **Faults** ([`judgement`]): a new revision that fails too often is withdrawn: the domain goes back to the revision
//!   before, and the bad one is quarantined. A revision that was good for long gets a circuit breaker: its callers are
//!   asked to retry later, and now and then one command is admitted to test whether it works again. Failures that
//!   concern one caller or one aggregate only, and commands that exceed a limit, have neither effect.
//! - **Purity** ([`audit`]): a sample of live commands runs a second time, in a fresh instance and on a state folded
//!   from the journal. If events or state differ, the guest depends on something that is in no event, and it is
//!   withdrawn. Acknowledged commands stand: recorded events are never changed.
//!
//! Only deployed revisions are judged; rules that a benchmark attaches are not.

mod audit;
mod judgement;
mod metrics;
mod origins;
mod record;
mod sample;
mod withdrawals;

pub(crate) use audit::{Audit, AuditCounts, STATE_BYTES_MAX};
pub(crate) use judgement::{CircuitAction, CircuitState};
pub(crate) use metrics::write;
pub(crate) use origins::Origin;
pub(crate) use record::{Health, Probation};
pub(crate) use sample::{Sample, SampledCommand, is_sampled};
pub(crate) use withdrawals::{Cause, Withdrawal, Withdrawals, carry_out};
