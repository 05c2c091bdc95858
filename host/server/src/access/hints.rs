//! Filters the names that a refusal suggests: the caller sees only names for which it has some permission.

use polder_core::access::{Grant, Pattern};
use polder_core::{AggregateName, CommandName, DomainName, ProjectionName, TenantName, subject};
use polder_engine::{DeployError, ReadError, SubmitError};

use super::caller::Caller;

/// A refusal that may list known names.
pub(crate) trait Hints {
    /// Removes the names that `caller` may not know. `tenant` and `domain` are those of the request.
    fn for_caller(self, caller: &Caller, tenant: &TenantName, domain: &DomainName) -> Self;
}

impl Hints for SubmitError {
    fn for_caller(mut self, caller: &Caller, tenant: &TenantName, domain: &DomainName) -> Self {
        if let Some(grant) = caller.grant() {
            match &mut self {
                Self::UnknownDomain { known, .. } => known.retain(|known| may_know_domain(grant, tenant, known)),
                Self::UnknownAggregate { known, .. } => {
                    known.retain(|known| may_know_aggregate(grant, tenant, domain, known));
                }
                Self::UnknownCommand { aggregate, known, .. } => {
                    known.retain(|known| may_know_command(grant, tenant, domain, aggregate, known));
                }
                _ => {}
            }
        }
        self
    }
}

impl Hints for ReadError {
    fn for_caller(mut self, caller: &Caller, tenant: &TenantName, domain: &DomainName) -> Self {
        if let Some(grant) = caller.grant() {
            match &mut self {
                Self::UnknownDomain { known, .. } => known.retain(|known| may_know_domain(grant, tenant, known)),
                Self::UnknownAggregate { known, .. } => {
                    known.retain(|known| may_know_aggregate(grant, tenant, domain, known));
                }
                Self::UnknownProjection { known, .. } => {
                    known.retain(|known| may_know_projection(grant, tenant, domain, known));
                }
                _ => {}
            }
        }
        self
    }
}

impl Hints for DeployError {
    fn for_caller(mut self, caller: &Caller, tenant: &TenantName, _: &DomainName) -> Self {
        if let (Some(grant), Self::UnknownDomain { known, .. }) = (caller.grant(), &mut self) {
            known.retain(|known| may_know_domain(grant, tenant, known));
        }
        self
    }
}

fn may_know_domain(grant: &Grant, tenant: &TenantName, domain: &DomainName) -> bool {
    // Commands, states and queries; then the actions on the domain as a whole.
    may_publish_within(grant, &format!("{tenant}.*.{domain}.>"))
        || ["deploy", "rollback"].iter().any(|act| grant.may_publish(&subject::admin(tenant, act, domain)))
        || grant.may_subscribe_within(&subject::events(tenant, Some(domain), None, None))
}

fn may_know_aggregate(grant: &Grant, tenant: &TenantName, domain: &DomainName, aggregate: &AggregateName) -> bool {
    has_catalog(grant, tenant, domain)
        || may_publish_within(grant, &format!("{tenant}.cmd.{domain}.{aggregate}.>"))
        || may_publish_within(grant, &format!("{tenant}.state.{domain}.{aggregate}.*"))
        || grant.may_subscribe_within(&subject::events(tenant, Some(domain), Some(aggregate), None))
}

fn may_know_command(
    grant: &Grant,
    tenant: &TenantName,
    domain: &DomainName,
    aggregate: &AggregateName,
    command: &CommandName,
) -> bool {
    has_catalog(grant, tenant, domain)
        || may_publish_within(grant, &format!("{tenant}.cmd.{domain}.{aggregate}.*.{command}"))
}

fn may_know_projection(grant: &Grant, tenant: &TenantName, domain: &DomainName, projection: &ProjectionName) -> bool {
    has_catalog(grant, tenant, domain) || grant.may_publish(&subject::view(tenant, domain, projection))
}

/// Whether the caller may read the domain's catalog, which names everything in the domain.
fn has_catalog(grant: &Grant, tenant: &TenantName, domain: &DomainName) -> bool {
    grant.may_publish(&subject::catalog(tenant, domain))
}

fn may_publish_within(grant: &Grant, space: &str) -> bool {
    grant.may_publish_within(&Pattern::new(space).expect("names and stars make a pattern"))
}
