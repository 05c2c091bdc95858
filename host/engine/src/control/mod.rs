//! The host's own history, in tenant `system`. Every administrative act is a fact in it, with its actor and time. A
//! restart reads it and restores the same tenants and revisions. It can be read like any other history, but takes no
//! commands.
//!
//! To add a kind of facts: write an enum of them (see [`Fact`]) and a [`Registry`] that folds them, add the registry to
//! the list in `host/registries.rs`, and record new facts with [`AdministrativeAct::record`].

mod acts;
mod fact;
mod stream;

pub(crate) use acts::{AdministrativeAct, Control};
pub(crate) use fact::{Fact, ReadFacts, Recorded, Registry};
pub(crate) use stream::{StreamError, SystemStream, read_facts, read_record};
