//! Authentication and permissions. They are checked before anything is looked up, so that a refusal does not reveal
//! whether the resource exists.

mod authenticate;
mod caller;
pub(crate) mod first_key;
mod hints;
pub(crate) mod route_permission;
mod validity;
mod visible_events;

pub(crate) use authenticate::{Entrance, authenticated, caller, permitted};
pub(crate) use caller::Caller;
pub(crate) use hints::Hints;
pub(crate) use route_permission::{RoutePermission, Wanted};
pub(crate) use validity::ended;
pub(crate) use visible_events::VisibleEvents;
