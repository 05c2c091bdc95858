//! The journal from outside: one binary, one module per topic. `POLDER_SEED=n` repeats one random history.

mod beside;
mod contract;
mod follower;
mod index;
mod model;
mod recovery;
mod sealing;
mod sweeps;
mod verify;

use polder_journal_contract::model as support;
