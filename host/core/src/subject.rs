//! Names on the wire, in NATS's form: tokens parted by dots.

use crate::{AggregateName, DomainName, EventName, TenantName};

/// Where every event of a kind of aggregate appears: `main.orders.order.>`.
pub fn stream(tenant: &TenantName, domain: &DomainName, aggregate: &AggregateName) -> String {
    format!("{tenant}.{domain}.{aggregate}.>")
}

/// Where one event appears: `main.orders.order.order-submitted.v1`.
pub fn event(
    tenant: &TenantName,
    domain: &DomainName,
    aggregate: &AggregateName,
    name: &EventName,
    version: u32,
) -> String {
    format!("{tenant}.{domain}.{aggregate}.{name}.v{version}")
}
