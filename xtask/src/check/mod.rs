//! What must hold before any test is worth running: formatting, clippy without warnings, and who may depend on whom.

mod arrows;
mod rules;
mod tree;

use std::fs;

use anyhow::{Result, bail};

use crate::run;
use crate::workspace::Workspace;

/// A workspace of its own, so its packages are not among this one's members.
pub(crate) const PEERS: &str = "tests/peers";

pub(crate) fn check() -> Result<()> {
    let workspace = Workspace::read()?;
    run::show(run::cargo().current_dir(&workspace.root).args(["fmt", "--all", "--check"]))?;
    peers_are_formatted(&workspace)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run::show(run::cargo().current_dir(&workspace.root).args(clippy))?;
    dependencies(&workspace)
}

/// One by one: asked for all of them at once, cargo would fetch what they depend on.
fn peers_are_formatted(workspace: &Workspace) -> Result<()> {
    for entry in fs::read_dir(workspace.root.join(PEERS))? {
        let manifest = entry?.path().join("Cargo.toml");
        if manifest.is_file() {
            run::show(run::cargo().args(["fmt", "--check", "--manifest-path"]).arg(manifest))?;
        }
    }
    Ok(())
}

fn dependencies(workspace: &Workspace) -> Result<()> {
    let edges = tree::edges(workspace)?;
    let offences = arrows::offences(&workspace.members, &edges);
    if !offences.is_empty() {
        bail!("dependencies that the architecture does not allow:\n  {}", offences.join("\n  "));
    }
    eprintln!("dependency directions hold: {} edges looked at", edges.len());
    Ok(())
}
