//! The host's own history, in tenant `system`. Every administrative act is a fact in it, with its actor and time. A
//! restart reads it and restores the same tenants and revisions. It can be read like any other history, but takes no
//! commands.
//!
//! To add a kind of facts: write an enum of them (see [`Fact`]) and a [`Registry`] that folds them, add the enum to
//! [`KINDS`], and pass the book to [`SystemStream::read`] at the start. `Inner::record` records new facts.

mod fact;
mod stream;

use polder_core::TenantName;

pub(crate) use fact::{Fact, Recorded, Registry};
pub(crate) use stream::{SystemStream, read_facts, read_record};

use crate::access::KeyFact;
use crate::deployments::DeploymentFact;
use crate::tenants::TenantFact;
use crate::translations::BridgeFact;

/// The tenant of the host's own history. No other tenant can have this name.
pub const SYSTEM_TENANT: &str = "system";

/// The domains of the host's own history, each with its aggregate type. Their events can be queried.
pub(crate) const KINDS: &[(&str, &str)] =
    &[kind::<TenantFact>(), kind::<DeploymentFact>(), kind::<KeyFact>(), kind::<BridgeFact>()];

const fn kind<F: Fact>() -> (&'static str, &'static str) {
    (F::DOMAIN, F::AGGREGATE)
}

pub(crate) fn system_tenant() -> TenantName {
    TenantName::new(SYSTEM_TENANT).expect("a good name")
}
