//! Authentication and permissions. They are checked before anything is looked up, so that a refusal does not reveal
//! whether the resource exists.

mod authenticator;
mod caller;
pub(crate) mod first_key;
mod hints;
mod permission;
pub(crate) mod route_permission;
mod route_requirements;
mod visible_events;

pub(crate) use authenticator::{Authenticator, ended};
pub(crate) use caller::Caller;
pub(crate) use hints::Hints;
pub(crate) use permission::Permission;
pub(crate) use route_permission::RoutePermission;
pub(crate) use route_requirements::{RouteRequirements, authenticated, permitted};
pub(crate) use visible_events::VisibleEvents;
