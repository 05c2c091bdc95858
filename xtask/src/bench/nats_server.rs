//! The nats-server for measurements.

use std::path::PathBuf;

use anyhow::Result;

use crate::setup;
use crate::workspace::Workspace;

/// Sets up the program if it is missing, and returns its path.
pub(super) fn nats_server(workspace: &Workspace) -> Result<PathBuf> {
    setup::nats_server()?;
    Ok(workspace.target.join("tools").join("nats-server"))
}
