//! The permission that a request needs, as the subjects that its caller must be allowed to publish or subscribe to.

use polder_core::access::Pattern;
use polder_core::subject;

use crate::wire::address::CommandAddress;

#[derive(Debug)]
pub(crate) enum Permission {
    Publish(String),
    /// The permission to publish to at least a part of the space. The handler then checks each resource of the request,
    /// or returns only those that the caller may see.
    PublishWithin(Pattern),
    /// The permission to subscribe to at least a part of the space. The handler then checks each resource of the
    /// request, or returns only those that the caller may see.
    SubscribeWithin(Pattern),
}

impl Permission {
    /// The permission to send the command with this address.
    pub(crate) fn to_send(address: &CommandAddress) -> Self {
        let CommandAddress { tenant, domain, aggregate, aggregate_id, name } = address;
        Self::Publish(subject::command(tenant, domain, aggregate, aggregate_id, name))
    }
}
