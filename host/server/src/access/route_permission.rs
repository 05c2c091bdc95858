//! The permission that each kind of request needs, from its path alone. Fails only when a part of the path is not a
//! valid name.

use polder_core::access::Pattern;
use polder_core::subject;

use crate::wire::path::Segments;
use crate::wire::problem::Problem;

pub(crate) type RoutePermission = fn(&Segments) -> Result<Wanted, Problem>;

#[derive(Debug)]
pub(crate) enum Wanted {
    Publish(String),
    /// A permission to publish to at least a part of the space. The answer then holds only what is permitted.
    PublishWithin(Pattern),
    /// A permission to subscribe to at least a part of the space. The answer then holds only what is permitted.
    SubscribeWithin(Pattern),
}

pub(crate) fn command(at: &Segments) -> Result<Wanted, Problem> {
    Ok(at.address()?.wanted())
}

/// The batch checks each of its commands by itself.
pub(crate) fn commands(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::PublishWithin(subject::commands(&at.tenant()?)))
}

pub(crate) fn state(at: &Segments) -> Result<Wanted, Problem> {
    let (aggregate, id) = (at.aggregate()?, at.aggregate_id()?);
    Ok(Wanted::Publish(subject::state(&at.tenant()?, &at.domain()?, &aggregate, &id)))
}

pub(crate) fn history(at: &Segments) -> Result<Wanted, Problem> {
    let (domain, aggregate) = (at.domain()?, at.aggregate()?);
    at.aggregate_id()?;
    Ok(Wanted::SubscribeWithin(subject::events(&at.tenant()?, Some(&domain), Some(&aggregate), None)))
}

pub(crate) fn events(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::SubscribeWithin(subject::events(&at.tenant()?, None, None, None)))
}

pub(crate) fn view(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::view(&at.tenant()?, &at.domain()?, &at.projection()?)))
}

pub(crate) fn effects(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::effects(&at.tenant()?, &at.domain()?)))
}

pub(crate) fn catalog(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::catalog(&at.tenant()?, &at.domain()?)))
}

pub(crate) fn catalogs(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::PublishWithin(subject::catalogs(&at.tenant()?)))
}

pub(crate) fn deploy(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::admin(&at.tenant()?, "deploy", &at.domain()?)))
}

/// The domain's name is in the component, so the exact permission is checked once it is read.
pub(crate) fn deploy_any(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::PublishWithin(subject::admin_of_all(&at.tenant()?, "deploy")))
}

pub(crate) fn roll_back(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::admin(&at.tenant()?, "rollback", &at.domain()?)))
}

/// A permission for at least one domain. The answer then holds only what is permitted.
pub(crate) fn show_parked(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::PublishWithin(subject::admin_of_all(&at.tenant()?, "parked")))
}

pub(crate) fn retry_parked(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::PublishWithin(subject::admin_of_all(&at.tenant()?, "retry")))
}

pub(crate) fn discard_parked(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::PublishWithin(subject::admin_of_all(&at.tenant()?, "discard")))
}

pub(crate) fn show_bridge(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::bridge(&at.tenant()?, "show")))
}

pub(crate) fn set_bridge(at: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::bridge(&at.tenant()?, "set")))
}

pub(crate) fn list_tenants(_: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::host_tenants()))
}

pub(crate) fn show_tenant(at: &Segments) -> Result<Wanted, Problem> {
    tenant(at, "show")
}

pub(crate) fn add_tenant(at: &Segments) -> Result<Wanted, Problem> {
    tenant(at, "add")
}

pub(crate) fn limit_tenant(at: &Segments) -> Result<Wanted, Problem> {
    tenant(at, "limits")
}

pub(crate) fn suspend_tenant(at: &Segments) -> Result<Wanted, Problem> {
    tenant(at, "suspend")
}

pub(crate) fn resume_tenant(at: &Segments) -> Result<Wanted, Problem> {
    tenant(at, "resume")
}

pub(crate) fn remove_tenant(at: &Segments) -> Result<Wanted, Problem> {
    tenant(at, "remove")
}

pub(crate) fn export_tenant(at: &Segments) -> Result<Wanted, Problem> {
    tenant(at, "export")
}

fn tenant(at: &Segments, act: &str) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::host_tenant(act, &at.tenant()?)))
}

pub(crate) fn add_key(_: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::host_key("add")))
}

pub(crate) fn list_keys(_: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::host_key("list")))
}

pub(crate) fn revoke_key(_: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::host_key("revoke")))
}

pub(crate) fn drain(_: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::host_drain()))
}

pub(crate) fn metrics(_: &Segments) -> Result<Wanted, Problem> {
    Ok(Wanted::Publish(subject::host_metrics()))
}
