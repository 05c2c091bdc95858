//! The host's own history, in tenant `system`: every administrative act is a fact in it, with who did it and when. A restart reads it
//! and comes back to the same tenants and revisions; people read it like any other history, and nobody sends commands to it.
//!
//! Whoever has facts to add writes an enum of them (see [`Fact`]), a [`Book`] that says what follows from them, names the enum in
//! [`KINDS`], and hands the book to [`SystemStream::read`] at start. New facts are recorded by `Inner::record`.

mod fact;
mod stream;

use polder_core::TenantName;

pub(crate) use fact::{Book, Fact, Noted};
pub(crate) use stream::{SystemStream, read_facts, read_record};

use crate::access::KeyFact;
use crate::bridges::BridgeFact;
use crate::deployments::DeploymentFact;
use crate::tenants::TenantFact;

/// Owns the host's own history. No tenant of this name can be made.
pub const SYSTEM_TENANT: &str = "system";

/// The domains of the host's own history, each with its kind of aggregate: what can be asked for its events.
pub(crate) const KINDS: &[(&str, &str)] =
    &[kind::<TenantFact>(), kind::<DeploymentFact>(), kind::<KeyFact>(), kind::<BridgeFact>()];

const fn kind<F: Fact>() -> (&'static str, &'static str) {
    (F::DOMAIN, F::AGGREGATE)
}

pub(crate) fn system_tenant() -> TenantName {
    TenantName::new(SYSTEM_TENANT).expect("a good name")
}
