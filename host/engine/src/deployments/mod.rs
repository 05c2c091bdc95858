//! Which revision of which domain is active. Deployments are facts in the host's own history, so a restart comes back to
//! exactly the same revisions, and who deployed what can be read like any other history.

mod components;
mod facts;
mod options;
mod revisions;
mod turns;

pub(crate) use components::Components;
pub use components::Depot;
pub(crate) use facts::{Activation, DeploymentFact, Deployments, Standing};
pub use options::{DeployOptions, GateOptions, RollBackOptions};
pub(crate) use revisions::Revisions;
pub use revisions::{RevisionInfo, RevisionStatus};
pub(crate) use turns::Turns;
