//! The address of a command: its aggregate and its name, from a path, a subject, or a line of a batch.

use polder_core::{AggregateId, AggregateName, CommandName, DomainName, NameError, TenantName};

pub(crate) struct CommandAddress {
    pub(crate) tenant: TenantName,
    pub(crate) domain: DomainName,
    pub(crate) aggregate: AggregateName,
    pub(crate) aggregate_id: AggregateId,
    pub(crate) name: CommandName,
}

impl CommandAddress {
    /// Checks the names of an address: tenant, domain, aggregate, id of the aggregate, and command.
    pub(crate) fn new([tenant, domain, aggregate, id, command]: [&str; 5]) -> Result<Self, NameError> {
        Ok(Self {
            tenant: TenantName::new(tenant)?,
            domain: DomainName::new(domain)?,
            aggregate: AggregateName::new(aggregate)?,
            aggregate_id: AggregateId::new(id)?,
            name: CommandName::new(command)?,
        })
    }
}
