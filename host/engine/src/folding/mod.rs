//! Folds recorded events into states: one aggregate's whole history, or a part of a tenant's history grouped by
//! aggregate.

mod by_aggregate;
mod history;

pub(crate) use by_aggregate::{Group, group_of, groups, guest_event};
pub(crate) use history::{EVENTS_PER_CALL, FoldError, Folded, Wanted, begin, fold_history, fold_on, fold_part};
