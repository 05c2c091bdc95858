//! Which revision of which domain is active. Deployments are facts in the host's own history, so a restart comes back to
//! exactly the same revisions, and who deployed what can be read like any other history.

mod components;
mod facts;

pub(crate) use components::Components;
pub(crate) use facts::{Activation, DeploymentFact, Deployments};
