//! The aggregate that a read is about.

use polder_core::{AggregateId, AggregateName, DomainName};
use polder_journal::AggregateKey;

use super::read_error::ReadError;
use crate::tenancy::Tenant;

/// An aggregate by its tenant, domain, type and id.
pub(crate) struct AggregateAddress<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) domain: &'a DomainName,
    pub(crate) aggregate: &'a AggregateName,
    pub(crate) id: &'a AggregateId,
}

impl AggregateAddress<'_> {
    pub(super) fn key(&self) -> AggregateKey {
        AggregateKey::of(&self.tenant.name, self.domain, self.aggregate, self.id)
    }

    pub(super) fn missing(&self, when: &str) -> ReadError {
        ReadError::NoSuchAggregate { aggregate: self.aggregate.clone(), id: self.id.clone(), when: when.into() }
    }
}
