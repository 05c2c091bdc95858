//! Tests of the journal's public interface: one binary, one module per topic. `POLDER_SEED=n` repeats one random
//! history.

mod beside;
mod contract;
mod damaged_keys;
mod follower;
mod index;
mod locks;
mod model;
mod noise;
mod recovery;
mod sealing;
mod space;
mod sweeps;
mod verify;

use polder_journal_contract::model as support;
