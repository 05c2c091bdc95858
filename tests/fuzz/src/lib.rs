//! Runs parsers on damaged inputs inside ordinary tests. It needs neither a nightly compiler nor a build of its own, as
//! fuzzers that follow the coverage of code do; so every run of the tests runs every target.
//!
//! `POLDER_FUZZ_SECONDS` is the duration of each target in seconds of wall time. `POLDER_FUZZ_SEED` is the seed of the
//! first case. A case that panics prints its seed: a run with that seed begins with the same case.
#![forbid(unsafe_code)]

mod damage;
mod run;

pub use damage::Damage;
pub use fastrand::Rng;
pub use run::{Counts, run};
