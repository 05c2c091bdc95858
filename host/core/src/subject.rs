//! Names on the wire, in NATS's form: tokens parted by dots. They say where messages go, and so also what may be permitted.
//!
//! | subject | what it stands for |
//! |---|---|
//! | `{tenant}.cmd.{domain}.{aggregate}.{id}.{command}` | publish: a command |
//! | `{tenant}.cmds` | publish over NATS: several commands, each of which has to be permitted |
//! | `{tenant}.{domain}.{aggregate}.{event}.v{n}` | subscribe: an event |
//! | `{tenant}.query.{domain}.{projection}` | publish: a question to a view |
//! | `{tenant}.result.{correlation id}` | subscribe: what was found |
//! | `{tenant}.query.{domain}.catalog`, `….effects` | publish: what the domain is; what its projections asked for |
//! | `{tenant}.state.{domain}.{aggregate}.{id}` | publish: a question for a state, now or in the past |
//! | `{tenant}.admin.{act}.{domain}` | publish: `deploy` (an upload of code), `rollback`, … |
//! | `{tenant}.admin.bridge.{act}` | publish: `show` or `set` the rules of the context bridge |
//! | `$host.admin.tenant.{act}.{tenant}`, `$host.admin.key.{act}` | publish: what only those who run the host may do |
//! | `{tenant}.admin.act-for-others`, `$host.admin.act-for-others` | publish: to name another actor than oneself |
//! | `$host.metrics` | publish: a question for the counters |
//!
//! No name or id can hold a dot, `*` or `>`, so a subject that is made of them has as many tokens as it seems to have.

use crate::access::Pattern;
use crate::{
    AggregateId, AggregateName, CommandName, CorrelationId, DomainName, EventName, ProjectionName, TenantName,
};

/// Where a tenant's name would stand, for what concerns the host as a whole. No tenant can be named so.
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

/// Where several commands come in one message.
pub fn batches(tenant: &TenantName) -> String {
    format!("{tenant}.cmds")
}

/// All commands of a tenant.
pub fn commands(tenant: &TenantName) -> Pattern {
    Pattern::new(&format!("{tenant}.cmd.>")).expect("a name and a wildcard make a pattern")
}

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

/// Where all events with these names appear; `None` stands for any.
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

/// Where the answer to a question appears.
pub fn result(tenant: &TenantName, correlation_id: &CorrelationId) -> String {
    format!("{tenant}.result.{correlation_id}")
}

pub fn catalog(tenant: &TenantName, domain: &DomainName) -> String {
    format!("{tenant}.query.{domain}.catalog")
}

/// The catalogs of all domains.
pub fn catalogs(tenant: &TenantName) -> Pattern {
    Pattern::new(&format!("{tenant}.query.*.catalog")).expect("names and stars make a pattern")
}

pub fn effects(tenant: &TenantName, domain: &DomainName) -> String {
    format!("{tenant}.query.{domain}.effects")
}

pub fn state(tenant: &TenantName, domain: &DomainName, aggregate: &AggregateName, id: &AggregateId) -> String {
    format!("{tenant}.state.{domain}.{aggregate}.{id}")
}

/// What is done to a tenant's domain: `deploy`, `rollback`.
pub fn admin(tenant: &TenantName, act: &str, domain: &DomainName) -> String {
    format!("{tenant}.admin.{act}.{domain}")
}

/// As [`admin`], for all domains.
pub fn admin_of_all(tenant: &TenantName, act: &str) -> Pattern {
    Pattern::new(&format!("{tenant}.admin.{act}.*")).expect("names and stars make a pattern")
}

/// What is done to the rules of a tenant's context bridge: `show`, `set`.
pub fn bridge(tenant: &TenantName, act: &str) -> String {
    format!("{tenant}.admin.bridge.{act}")
}

/// To name another actor than oneself. `realm`: a tenant's name, or [`HOST`].
pub fn act_for_others(realm: &str) -> String {
    format!("{realm}.admin.act-for-others")
}

/// What is done to a tenant as a whole: `add`, `suspend`, `remove`.
pub fn host_tenant(act: &str, tenant: &TenantName) -> String {
    format!("{HOST}.admin.tenant.{act}.{tenant}")
}

/// To list all tenants.
pub fn host_tenants() -> String {
    format!("{HOST}.admin.tenant.list")
}

/// What is done to the keys that sign tokens: `add`, `list`, `revoke`.
pub fn host_key(act: &str) -> String {
    format!("{HOST}.admin.key.{act}")
}

/// To have a host give up a journal that several have in common.
pub fn host_drain() -> String {
    format!("{HOST}.admin.drain")
}

pub fn host_metrics() -> String {
    format!("{HOST}.metrics")
}
