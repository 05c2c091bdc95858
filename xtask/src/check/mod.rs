//! The checks before any test: formatting, the words of comments and names, the tests of the bounds, the structure
//! inside crates, clippy without warnings, and the directions of dependencies.

mod arrows;
mod bounds;
mod rules;
mod sources;
mod structure;
mod tree;
mod words;

use std::fs;

use anyhow::{Result, bail};

use self::sources::Source;
use crate::run;
use crate::workspace::Workspace;

/// The folder of the peers, which have a workspace of their own and are no members of this one.
pub(crate) const PEERS: &str = "tests/peers";

pub(crate) fn check() -> Result<()> {
    let workspace = Workspace::read()?;
    run::show(run::cargo().current_dir(&workspace.root).args(["fmt", "--all", "--check"]))?;
    peers_are_formatted(&workspace)?;
    let sources = sources::sources(&workspace.root)?;
    language(&sources)?;
    bounds_have_tests(&sources)?;
    structure_of_crates(&workspace, &sources)?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    run::show(run::cargo().current_dir(&workspace.root).args(clippy))?;
    dependencies(&workspace)
}

/// One by one: for all of them at once, cargo would fetch their dependencies.
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
    eprintln!("dependency directions are right: {} edges checked", edges.len());
    Ok(())
}

fn language(sources: &[Source]) -> Result<()> {
    let violations = words::violations(sources);
    if !violations.is_empty() {
        bail!(
            "words or comments that the house style does not allow (the list is in xtask/src/check/words.rs):\n  {}",
            violations.join("\n  ")
        );
    }
    eprintln!("words and comment widths are right: {} files checked", sources.len());
    Ok(())
}

fn bounds_have_tests(sources: &[Source]) -> Result<()> {
    let violations = bounds::violations(sources);
    if !violations.is_empty() {
        bail!("bounds whose tests do not exist or are not run:\n  {}", violations.join("\n  "));
    }
    eprintln!("the bounds have their tests");
    Ok(())
}

fn structure_of_crates(workspace: &Workspace, sources: &[Source]) -> Result<()> {
    let folders: Vec<&str> = workspace.members.iter().map(|member| member.folder.as_str()).collect();
    let violations = structure::violations(&folders, sources)?;
    if !violations.is_empty() {
        bail!(
            "circles, imports or sizes that the architecture does not allow (the tables are in xtask/src/check/rules.rs):\n  {}",
            violations.join("\n  ")
        );
    }
    eprintln!("the structure inside crates is right: {} crates checked", folders.len());
    Ok(())
}
