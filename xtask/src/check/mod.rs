//! What must hold before any test is worth running: formatting, clippy without warnings, and who may depend on whom.

mod arrows;
mod rules;
mod tree;

use anyhow::{Result, bail};

use crate::run;
use crate::workspace::Workspace;

pub(crate) fn check() -> Result<()> {
    let workspace = Workspace::read()?;
    run::show(run::cargo().current_dir(&workspace.root).args(["fmt", "--all", "--check"]))?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run::show(run::cargo().current_dir(&workspace.root).args(clippy))?;
    dependencies(&workspace)
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
