//! The permission that each kind of request needs, from its path alone. Fails only when a part of the path is not a
//! valid name.

use polder_core::subject;

use super::permission::Permission;
use crate::wire::path::PathParameters;
use crate::wire::problem::Problem;

pub(crate) type RoutePermission = fn(&PathParameters) -> Result<Permission, Problem>;

pub(crate) fn command(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::to_send(&at.command_address()?))
}

/// The batch checks each of its commands by itself.
pub(crate) fn commands(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::PublishWithin(subject::commands(&at.tenant()?)))
}

pub(crate) fn state(at: &PathParameters) -> Result<Permission, Problem> {
    let (aggregate, id) = (at.aggregate()?, at.aggregate_id()?);
    Ok(Permission::Publish(subject::state(&at.tenant()?, &at.domain()?, &aggregate, &id)))
}

pub(crate) fn history(at: &PathParameters) -> Result<Permission, Problem> {
    let (domain, aggregate) = (at.domain()?, at.aggregate()?);
    at.aggregate_id()?;
    Ok(Permission::SubscribeWithin(subject::events(&at.tenant()?, Some(&domain), Some(&aggregate), None)))
}

pub(crate) fn events(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::SubscribeWithin(subject::events(&at.tenant()?, None, None, None)))
}

pub(crate) fn view(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::view(&at.tenant()?, &at.domain()?, &at.projection()?)))
}

pub(crate) fn effects(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::effects(&at.tenant()?, &at.domain()?)))
}

pub(crate) fn catalog(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::catalog(&at.tenant()?, &at.domain()?)))
}

pub(crate) fn catalogs(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::PublishWithin(subject::catalogs(&at.tenant()?)))
}

pub(crate) fn deploy(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::admin(&at.tenant()?, "deploy", &at.domain()?)))
}

/// The domain's name is in the component, so the exact permission is checked once it is read.
pub(crate) fn deploy_any(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::PublishWithin(subject::admin_of_all(&at.tenant()?, "deploy")))
}

pub(crate) fn roll_back(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::admin(&at.tenant()?, "rollback", &at.domain()?)))
}

/// The permission to see the parked events of at least one domain. The answer contains only
/// domains that the caller may see.
pub(crate) fn show_parked(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::PublishWithin(subject::admin_of_all(&at.tenant()?, "parked")))
}

pub(crate) fn retry_parked(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::PublishWithin(subject::admin_of_all(&at.tenant()?, "retry")))
}

pub(crate) fn discard_parked(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::PublishWithin(subject::admin_of_all(&at.tenant()?, "discard")))
}

pub(crate) fn show_bridge(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::bridge(&at.tenant()?, "show")))
}

pub(crate) fn set_bridge(at: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::bridge(&at.tenant()?, "set")))
}

pub(crate) fn list_tenants(_: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::host_tenants()))
}

pub(crate) fn show_tenant(at: &PathParameters) -> Result<Permission, Problem> {
    tenant(at, "show")
}

pub(crate) fn add_tenant(at: &PathParameters) -> Result<Permission, Problem> {
    tenant(at, "add")
}

pub(crate) fn limit_tenant(at: &PathParameters) -> Result<Permission, Problem> {
    tenant(at, "limits")
}

pub(crate) fn suspend_tenant(at: &PathParameters) -> Result<Permission, Problem> {
    tenant(at, "suspend")
}

pub(crate) fn resume_tenant(at: &PathParameters) -> Result<Permission, Problem> {
    tenant(at, "resume")
}

pub(crate) fn remove_tenant(at: &PathParameters) -> Result<Permission, Problem> {
    tenant(at, "remove")
}

pub(crate) fn export_tenant(at: &PathParameters) -> Result<Permission, Problem> {
    tenant(at, "export")
}

fn tenant(at: &PathParameters, act: &str) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::host_tenant(act, &at.tenant()?)))
}

pub(crate) fn add_key(_: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::host_key("add")))
}

pub(crate) fn list_keys(_: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::host_key("list")))
}

pub(crate) fn revoke_key(_: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::host_key("revoke")))
}

pub(crate) fn drain(_: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::host_drain()))
}

pub(crate) fn metrics(_: &PathParameters) -> Result<Permission, Problem> {
    Ok(Permission::Publish(subject::host_metrics()))
}
