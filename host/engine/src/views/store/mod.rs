//! A tenant's read models in SQLite. Documents and checkpoint always change in one transaction. Knows SQL, but neither
//! guests nor the journal.

mod checkpoint;
mod effects;
mod parked;
mod parked_changes;
mod rows;
mod schema;
mod view_store;

pub(crate) use checkpoint::WriteError;
pub(crate) use effects::read_effects;
pub(crate) use parked::{parked_events, set_aside};
pub(crate) use rows::{Changes, Line, NewEffect, Parked, StoreResult, View, unreadable};
pub(crate) use schema::is_damage;
pub(crate) use view_store::{OpenStoreError, ViewStore};

#[cfg(test)]
mod tests;
