//! The journal from outside: one binary, one module per topic. `POLDER_SEED=n` repeats one random history.

mod contract;
mod index;
mod model;
mod recovery;
mod sealing;
mod support;
mod sweeps;
mod verify;
