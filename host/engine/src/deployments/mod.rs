//! Which revision of which domain is active. Deployments are events in a stream of the host's own, so a restart comes back to
//! exactly the same revisions, and who deployed what can be read like any other history.

mod components;
mod stream;

pub(crate) use components::Components;
pub(crate) use stream::{Activation, DeploymentStream, SYSTEM_TENANT};
