//! The context bridge of each tenant: the rules by which its events are translated for other contexts. They apply from
//! a position of the history on. `polder_core::translation` defines what a rule does.

mod acts;
mod answers;
mod bridge_error;
mod registry;

pub use acts::Translations;
pub use answers::{BridgeChanged, BridgeInfo};
pub use bridge_error::BridgeError;
pub(crate) use registry::Bridges;
