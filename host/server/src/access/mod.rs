//! Authentication and permissions. They are checked before anything is looked up, so that a refusal does not reveal
//! whether the resource exists.

mod caller;
pub(crate) mod demand;
mod gate;
mod hints;
mod sight;
mod validity;

pub(crate) use caller::Caller;
pub(crate) use demand::{Demand, Wanted};
pub(crate) use gate::{Entrance, authenticated, caller, permitted};
pub(crate) use hints::Hints;
pub(crate) use sight::Sight;
pub(crate) use validity::ended;
