//! The build that the tests use. A quick run of the measurements uses it too, because a second build of everything
//! would take longer than all tests.

use anyhow::Result;

use crate::run;
use crate::workspace::Workspace;

/// Cargo's folder of the profile `dev`, in the target folder.
pub(crate) const FOLDER: &str = "debug";
/// Always the whole workspace: another choice of packages would mean other features and a second build of everything.
const ARGUMENTS: [&str; 6] = ["build", "--workspace", "--lib", "--bins", "--examples", "--tests"];

pub(crate) fn build(workspace: &Workspace) -> Result<()> {
    run::show(run::cargo().current_dir(&workspace.root).args(ARGUMENTS))
}
