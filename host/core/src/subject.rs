//! Names on the wire, in NATS's form: tokens separated by dots. They are the addresses of messages, and permissions
//! refer to them.
//!
//! | subject | meaning |
//! |---|---|
//! | `{tenant}.cmd.{domain}.{aggregate}.{id}.{command}` | publish: a command |
//! | `{tenant}.cmds` | publish over NATS: several commands, each of which must be permitted |
//! | `{tenant}.{domain}.{aggregate}.{event}.v{n}` | subscribe: an event |
//! | `{tenant}.query.{domain}.{projection}` | publish: a query to a view |
//! | `{tenant}.result.{correlation id}` | subscribe: the result of a query |
//! | `{tenant}.query.{domain}.catalog`, `….effects` | publish: a query for the domain's catalog; for the effects of its
//! projections |
//! | `{tenant}.state.{domain}.{aggregate}.{id}` | publish: a query for a state, now or in the past |
//! | `{tenant}.admin.{act}.{domain}` | publish: `deploy` (an upload of code), `rollback`, … |
//! | `{tenant}.admin.bridge.{act}` | publish: `show` or `set` the rules of the context bridge |
//! | `$host.admin.tenant.{act}.{tenant}`, `$host.admin.key.{act}` | publish: acts that only the host's operators may
//! perform |
//! | `{tenant}.admin.act-for-others`, `$host.admin.act-for-others` | publish: commands with an actor other than the
//! caller |
//! | `$host.metrics` | publish: a query for the metrics |
//!
//! No name or id can contain a dot, `*` or `>`, so each part of a subject above is exactly one token.

use crate::access::Pattern;
use crate::{
    AggregateId, AggregateName, CommandName, CorrelationId, DomainName, EventName, ProjectionName, TenantName,
};

/// The first token of subjects that concern the host as a whole, in place of a tenant's name. No tenant can have this
/// name.
pub const HOST: &str = "$host";

pub fn command(
    tenant: &TenantName,
    domain: &DomainName,
    aggregate: &AggregateName,
    id: &AggregateId,
    command: &CommandName,
) -> String {
    format!("{tenant}.cmd.{domain}.{aggregate}.{id}.{command}")
}

/// The subject for several commands in one message.
pub fn batches(tenant: &TenantName) -> String {
    format!("{tenant}.cmds")
}

/// Matches all commands of a tenant.
pub fn commands(tenant: &TenantName) -> Pattern {
    Pattern::new(&format!("{tenant}.cmd.>")).expect("a name and a wildcard make a pattern")
}

/// The subject of all events of one type of aggregate: `main.orders.order.>`.
pub fn stream(tenant: &TenantName, domain: &DomainName, aggregate: &AggregateName) -> String {
    format!("{tenant}.{domain}.{aggregate}.>")
}

/// The subject of one event: `main.orders.order.order-submitted.v1`.
pub fn event(
    tenant: &TenantName,
    domain: &DomainName,
    aggregate: &AggregateName,
    name: &EventName,
    version: u32,
) -> String {
    format!("{tenant}.{domain}.{aggregate}.{name}.v{version}")
}

/// Matches all events with these names; `None` matches any name.
pub fn events(
    tenant: &TenantName,
    domain: Option<&DomainName>,
    aggregate: Option<&AggregateName>,
    name: Option<&EventName>,
) -> Pattern {
    let domain = domain.map_or("*", DomainName::as_str);
    let aggregate = aggregate.map_or("*", AggregateName::as_str);
    let name = name.map_or("*", EventName::as_str);
    Pattern::new(&format!("{tenant}.{domain}.{aggregate}.{name}.*")).expect("names and stars make a pattern")
}

pub fn view(tenant: &TenantName, domain: &DomainName, projection: &ProjectionName) -> String {
    format!("{tenant}.query.{domain}.{projection}")
}

/// The subject of the result of a query.
pub fn result(tenant: &TenantName, correlation_id: &CorrelationId) -> String {
    format!("{tenant}.result.{correlation_id}")
}

pub fn catalog(tenant: &TenantName, domain: &DomainName) -> String {
    format!("{tenant}.query.{domain}.catalog")
}

/// Matches the catalogs of all domains.
pub fn catalogs(tenant: &TenantName) -> Pattern {
    Pattern::new(&format!("{tenant}.query.*.catalog")).expect("names and stars make a pattern")
}

pub fn effects(tenant: &TenantName, domain: &DomainName) -> String {
    format!("{tenant}.query.{domain}.effects")
}

pub fn state(tenant: &TenantName, domain: &DomainName, aggregate: &AggregateName, id: &AggregateId) -> String {
    format!("{tenant}.state.{domain}.{aggregate}.{id}")
}

/// The subject of an administrative act on a tenant's domain: `deploy`, `rollback`.
pub fn admin(tenant: &TenantName, act: &str, domain: &DomainName) -> String {
    format!("{tenant}.admin.{act}.{domain}")
}

/// Does the same as [`admin`], for all domains.
pub fn admin_of_all(tenant: &TenantName, act: &str) -> Pattern {
    Pattern::new(&format!("{tenant}.admin.{act}.*")).expect("names and stars make a pattern")
}

/// The subject of an act on the rules of a tenant's context bridge: `show`, `set`.
pub fn bridge(tenant: &TenantName, act: &str) -> String {
    format!("{tenant}.admin.bridge.{act}")
}

/// The permission to name another actor than the caller. `realm` is a tenant's name, or [`HOST`].
pub fn act_for_others(realm: &str) -> String {
    format!("{realm}.admin.act-for-others")
}

/// The subject of an act on a tenant as a whole: `add`, `suspend`, `remove`.
pub fn host_tenant(act: &str, tenant: &TenantName) -> String {
    format!("{HOST}.admin.tenant.{act}.{tenant}")
}

/// The subject for listing all tenants.
pub fn host_tenants() -> String {
    format!("{HOST}.admin.tenant.list")
}

/// The subject of an act on the keys that sign tokens: `add`, `list`, `revoke`.
pub fn host_key(act: &str) -> String {
    format!("{HOST}.admin.key.{act}")
}

/// The subject for making a host release a journal that several hosts share.
pub fn host_drain() -> String {
    format!("{HOST}.admin.drain")
}

pub fn host_metrics() -> String {
    format!("{HOST}.metrics")
}
