//! Who asks, and whether they may: before anything is looked up, so that a refusal is the same whether what was asked for is
//! there or not.

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
